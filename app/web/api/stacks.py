"""Stacks over HTTP: what each is up to, and what each of its services is doing."""

from __future__ import annotations

from flask import Response
from sqlalchemy.orm import Session

from app.domain.errors import UnknownStack
from app.store import stacks
from app.store.tables import Stack
from app.usecases.nodes import relocation
from app.web import problems, request_parsing, responses, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Routes
from app.web.stack_views import describe_stacks

routes = Routes("stacks", "/api/v1")


@routes.add("GET", "/stacks", {200: Answer("Every stack.", schemas.Stacks)}, query=schemas.StacksQuery)
def list_stacks(front: WebContext, caller: Caller, *, query: schemas.StacksQuery) -> Response:
    """List the stacks with their mode and their services."""
    after = str(request_parsing.place(query.cursor, "cursor", str)[0]) if query.cursor else ""
    with front.database.read() as session:
        found = [stack for stack in stacks.every(session) if stack.name > after]
        page = found[: query.limit]
        items = describe_stacks(session, page, front.database.now())
    more = len(found) > len(page)
    return responses.json({"items": items, "next": request_parsing.cursor(page[-1].name) if more else None})


@routes.add("GET", "/stacks/<name>", {200: Answer("The stack.", schemas.Stack)}, refuses=(404,))
def show_stack(front: WebContext, caller: Caller, *, name: str) -> Response:
    """Show one stack with its mode and its services."""
    with front.database.read() as session:
        return responses.json(
            describe_stacks(session, [_require_stack(session, name)], front.database.now())[0]
        )


@routes.add("POST", "/stacks/<name>/relocate", {200: Answer("The stack.", schemas.Stack)}, refuses=(404, 409))
def relocate_stack(front: WebContext, caller: Caller, *, name: str) -> Response:
    """Let a stack's windows and owed offs count for wherever its worker serves it next.

    For a stack that is not served because something of it is held in another project or on another
    engine or node, which is gone for good. What may still run there is not turned off any more.
    """
    with front.database.read() as session:
        stack = _require_stack(session, name)
    with audit_refusals(front, caller, "relocate", stack.name), front.database.write() as session:
        relocation.relocate(session, stack.name, actor=caller.name, now=front.database.now())
    with front.database.read() as session:
        return responses.json(
            describe_stacks(session, [_require_stack(session, name)], front.database.now())[0]
        )


def _require_stack(session: Session, name: str) -> Stack:
    try:
        if "\0" in name:
            raise UnknownStack(name, stacks.names(session))
        return stacks.chosen(session, name)
    except UnknownStack as unknown:
        raise ApiError(problems.NO_SUCH_STACK, str(unknown), **unknown.facts) from unknown
