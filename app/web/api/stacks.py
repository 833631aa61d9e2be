"""Stacks over HTTP: their mode, and the state of their services."""

from __future__ import annotations

from flask import Response

from app.store import services, stacks
from app.usecases.nodes import relocation
from app.web import cursors, diagnosis_views, problems, responses, schemas
from app.web.actions import audit_refusals
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Routes
from app.web.stack_views import describe_stacks, require_stack

routes = Routes("stacks", "/api/v1")


@routes.add("GET", "/stacks", {200: Answer("Every stack.", schemas.Stacks)}, query=schemas.StacksQuery)
def list_stacks(context: WebContext, caller: Caller, *, query: schemas.StacksQuery) -> Response:
    """List the stacks with their mode and their services."""
    after = str(cursors.decode(query.cursor, "cursor", str)[0]) if query.cursor else ""
    with context.database.read() as session:
        rows = [stack for stack in stacks.every(session) if stack.name > after]
        page, following = cursors.split_page(rows, query.limit, lambda stack: (stack.name,))
        items = describe_stacks(session, page, context.database.now())
    return responses.json({"items": items, "next": following})


@routes.add("GET", "/stacks/<name>", {200: Answer("The stack.", schemas.Stack)}, refuses=(404,))
def show_stack(context: WebContext, caller: Caller, *, name: str) -> Response:
    """Show one stack with its mode and its services."""
    with context.database.read() as session:
        return responses.json(
            describe_stacks(session, [require_stack(session, caller, name)], context.database.now())[0]
        )


@routes.add(
    "GET",
    "/stacks/<name>/services/<service>/diagnosis",
    {200: Answer("Why the service fails; without causes it does not.", schemas.Diagnosis)},
    refuses=(404,),
)
def show_service_diagnosis(context: WebContext, caller: Caller, *, name: str, service: str) -> Response:
    """Show why a service fails, or failed last where it has not been ready since."""
    with context.database.read() as session:
        stack = require_stack(session, caller, name)
        row = services.of(session, stack.name).get(service)
        if row is None and service not in stack.spec.services:
            raise ApiError(problems.NO_SUCH_SERVICE, f"stack {name} has no service {service!r}")
        return responses.json(diagnosis_views.describe_service(session, stack.name, row, service))


@routes.add("POST", "/stacks/<name>/relocate", {200: Answer("The stack.", schemas.Stack)}, refuses=(404, 409))
def relocate_stack(context: WebContext, caller: Caller, *, name: str) -> Response:
    """Allow a stack's windows and pending stops to apply to the next engine that serves it.

    For a stack that no worker serves because its services are held in another project, or on another
    engine or node, which no longer exists. Services that still run there are not stopped.
    """
    with context.database.read() as session:
        stack = require_stack(session, caller, name)
    with audit_refusals(context, caller, "relocate", stack.name), context.database.write() as session:
        relocation.relocate(session, stack.name, actor=caller.name, now=context.database.now())
    with context.database.read() as session:
        return responses.json(
            describe_stacks(session, [require_stack(session, caller, name)], context.database.now())[0]
        )
