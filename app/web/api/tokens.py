"""Tokens over HTTP: made, listed, revoked. So far those that are bound to a waiting page."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.errors import UnknownToken
from app.store import tokens, wakes
from app.store.tables import Token, Wake, stamp
from app.usecases import wake
from app.web import problems, responses, row_views, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes

routes = Routes("tokens", "/api/v1")


@routes.add(
    "POST",
    "/tokens",
    {201: Answer("The token, with its text, which is never said again.", schemas.MadeToken)},
    body=schemas.NewToken,
    refuses=(403, 409),
)
def create_token(front: WebContext, caller: Caller, *, body: schemas.NewToken) -> Response:
    """Make a token that is good for one service's waiting page, and for nothing else."""
    route = body.wake
    with audit_refusals(front, caller, "token", route.stack), front.database.write() as session:
        text = wake.create(
            session,
            body.name,
            stack=route.stack,
            service=route.service,
            ttl_sec=body.ttl_sec,
            actor=caller.name,
            now=front.database.now(),
            agents=body.only_looks_agents,
            paths=body.only_looks_paths,
        )
    with front.database.read() as session:
        token = session.get_one(Token, body.name)
        shown = _describe_token(token, wakes.get(session, body.name))
    return responses.json(shown | {"token": text}, 201, {"Cache-Control": "no-store"})


@routes.add("GET", "/tokens", {200: Answer("Every token, by name.", schemas.Tokens)})
def list_tokens(front: WebContext, caller: Caller) -> Response:
    """List the tokens there are and were, without their texts."""
    with front.database.read() as session:
        bound = wakes.every(session)
        items = [_describe_token(token, bound.get(token.name)) for token in tokens.every(session)]
    return responses.json({"items": items, "next": None})


@routes.add(
    "DELETE", "/tokens/<name>", {200: Answer("The token as it was.", schemas.Token)}, refuses=(404, 409)
)
def revoke_token(front: WebContext, caller: Caller, *, name: str) -> Response:
    """Revoke a token, with its event streams and the console's sessions; a window that it has runs out."""
    if len(name) > problems.NAME or not (name.isascii() and name.isprintable()):
        raise UnknownToken(name)
    with front.database.read() as session:
        bound = wakes.get(session, name)
    with audit_refusals(front, caller, "token"), front.database.write() as session:
        token = wake.revoke(session, name, actor=caller.name, now=front.database.now())
    return responses.json(_describe_token(token, bound))


def _describe_token(token: Token, bound: Wake | None) -> dict[str, Any]:
    ttl = bound.ttl_sec if bound else None
    lookers = wakes.lookers(bound) if bound else None
    return {
        "name": token.name,
        "scope": token.scope,
        "wake": {"stack": bound.stack, "service": bound.service} if bound else None,
        "ttl_sec": None if ttl is None else row_views.number(ttl),
        "only_looks_agents": list(lookers.agents) if lookers else None,
        "only_looks_paths": list(lookers.paths) if lookers else None,
        "created_at": stamp(token.created_at),
        "revoked_at": stamp(token.revoked_at) if token.revoked_at else None,
    }
