"""Tokens over HTTP: create, list, revoke. Only tokens that are bound to a waiting page can be created."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.errors import UnknownToken
from app.domain.features import how_to_switch_on
from app.domain.stack_id import namespace_of, qualify
from app.store import tokens, wakes
from app.store.tables import Token, Wake, stamp
from app.usecases import intents, namespace_tokens, wake
from app.web import problems, responses, row_views, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Routes

routes = Routes("tokens", "/api/v1")


@routes.add(
    "POST",
    "/tokens",
    {201: Answer("The token with its text; only this response has the text.", schemas.MadeToken)},
    body=schemas.NewToken,
    refuses=(403, 409),
)
def create_token(context: WebContext, caller: Caller, *, body: schemas.NewToken) -> Response:
    """Create a token for one service's waiting page, for all of one namespace, or for approving intents.

    A token for a waiting page belongs to the namespace of its stack. Only a token of the default namespace
    creates tokens with every right in a namespace.
    """
    create = _create_for_namespace if body.namespace else _create_for_wake
    name, text = (_create_for_approver if body.approver else create)(context, caller, body)
    with context.database.read() as session:
        payload = _describe_token(session.get_one(Token, name), wakes.get(session, name))
    return responses.json(payload | {"token": text}, 201, {"Cache-Control": "no-store"})


def _create_for_namespace(context: WebContext, caller: Caller, body: schemas.NewToken) -> tuple[str, str]:
    """The name of the new token in text form, and its secret text."""
    if not caller.viewer.is_operator:
        raise ApiError(problems.OUT_OF_SCOPE, "only a token of the default namespace can create such a token")
    if not context.settings.features.namespaces:
        detail = f"namespaces are off; to switch them on, {how_to_switch_on('namespaces')}"
        raise ApiError(problems.NAMESPACES_OFF, detail, field="namespace")
    namespace = body.namespace or ""
    with audit_refusals(context, caller, "token"), context.database.write() as session:
        text = namespace_tokens.create(
            session, namespace, body.name, actor=caller.name, now=context.database.now()
        )
    return qualify(namespace, body.name), text


def _create_for_approver(context: WebContext, caller: Caller, body: schemas.NewToken) -> tuple[str, str]:
    """The name of the new token in text form, and its secret text."""
    if not context.settings.features.intents:
        detail = f"intents are off; to switch them on, {how_to_switch_on('intents')}"
        raise ApiError(problems.INTENTS_OFF, detail, field="approver")
    name = qualify(namespace_of(caller.name), body.name)
    with audit_refusals(context, caller, "token"), context.database.write() as session:
        text = intents.create_approver(session, name, actor=caller.name, now=context.database.now())
    return name, text


def _create_for_wake(context: WebContext, caller: Caller, body: schemas.NewToken) -> tuple[str, str]:
    """The name of the new token in text form, and its secret text."""
    assert body.wake
    route, stack = body.wake, caller.stack_id(body.wake.stack)
    name = qualify(namespace_of(stack), body.name)
    with audit_refusals(context, caller, "token", stack), context.database.write() as session:
        text = wake.create(
            session,
            name,
            stack=stack,
            service=route.service,
            ttl_sec=body.ttl_sec,
            actor=caller.name,
            now=context.database.now(),
            agents=body.only_looks_agents,
            paths=body.only_looks_paths,
        )
    return name, text


@routes.add("GET", "/tokens", {200: Answer("Every token, by name.", schemas.Tokens)})
def list_tokens(context: WebContext, caller: Caller) -> Response:
    """List all tokens, revoked ones too, without their texts."""
    with context.database.read() as session:
        binding = wakes.every(session)
        items = [_describe_token(token, binding.get(token.name)) for token in tokens.every(session)]
    return responses.json({"items": items, "next": None})


@routes.add(
    "DELETE", "/tokens/<name>", {200: Answer("The revoked token.", schemas.Token)}, refuses=(404, 409)
)
def revoke_token(context: WebContext, caller: Caller, *, name: str) -> Response:
    """Revoke a token and end its event streams and console sessions; its windows end at their deadlines."""
    if len(name) > problems.NAME or not (name.isascii() and name.isprintable()):
        raise UnknownToken(name)
    name = caller.viewer.qualify_name(name)
    with context.database.read() as session:
        binding = wakes.get(session, name)
    with audit_refusals(context, caller, "token"), context.database.write() as session:
        token = wake.revoke(session, name, actor=caller.name, now=context.database.now())
    return responses.json(_describe_token(token, binding))


def _describe_token(token: Token, binding: Wake | None) -> dict[str, Any]:
    ttl = binding.ttl_sec if binding else None
    lookers = wakes.passive_request_rules(binding) if binding else None
    return {
        "name": token.name,
        "scope": token.scope,
        "wake": {"stack": binding.stack, "service": binding.service} if binding else None,
        "ttl_sec": None if ttl is None else row_views.number(ttl),
        "only_looks_agents": list(lookers.agents) if lookers else None,
        "only_looks_paths": list(lookers.paths) if lookers else None,
        "created_at": stamp(token.created_at),
        "revoked_at": stamp(token.revoked_at) if token.revoked_at else None,
    }
