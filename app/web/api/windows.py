"""Windows over HTTP: open, list, show, extend, close."""

from __future__ import annotations

import hashlib
import json

from flask import Response, request

from app.domain.errors import UnknownWindow
from app.store import windows
from app.usecases.windows.open import OpenRequest, Repeat
from app.web import cursors, diagnosis_views, request_parsing, responses, row_views, schemas
from app.web.actions import (
    close_and_dispatch,
    extend_deadline,
    open_and_dispatch,
    plan_opening,
    wait_if_preferred,
)
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import KEY, PREFER, Answer, Routes
from app.web.window_views import describe_windows, read_window, require_window_id
from app.web.window_waits import is_closed, is_outcome_known

routes = Routes("windows", "/api/v1")


LOCATION = {"Location": "The address of the window."}


APPLIED = {"Preference-Applied": "The wait that was granted, if one was requested."}


@routes.add(
    "POST",
    "/windows",
    {
        202: Answer("The window, which is opening.", schemas.Window, headers=LOCATION | APPLIED),
        200: Answer("The plan, for `plan=1`.", schemas.Plan),
    },
    body=schemas.Open,
    query=schemas.OpenQuery,
    headers=(KEY, PREFER),
    refuses=(403, 409),
)
def open_window(
    context: WebContext, caller: Caller, *, body: schemas.Open, query: schemas.OpenQuery
) -> Response:
    """Open a window.

    The services and their dependencies are on until the deadline. Where the stack's node is away, the
    window waits for the node, and its time counts from when it begins; with the setting
    POWER_AWAY=refuse it is refused with 503.
    """
    ask = OpenRequest(body.services, caller.stack_id_or_none(body.stack), body.ttl_sec, body.reason)
    if query.plan:
        return _plan_response(context, ask, caller)
    window = open_and_dispatch(context, ask, caller, _repeat(body, caller))
    granted = wait_if_preferred(context, is_outcome_known, window.id)
    headers = {"Location": f"/api/v1/windows/{window.id}"} | granted
    payload = (
        read_window(context, window.id) if granted else row_views.window(window, (), context.database.now())
    )
    return responses.json(payload, 202, headers)


def _plan_response(context: WebContext, ask: OpenRequest, caller: Caller) -> Response:
    return responses.json(row_views.opening_plan(plan_opening(context, ask, caller)))


def _repeat(body: schemas.Open, caller: Caller) -> Repeat | None:
    key = request_parsing.key(request)
    if key is None:
        return None
    # The parsed body, so that the order of members and the form of numbers do not matter.
    canonical = json.dumps(body.model_dump(), sort_keys=True)
    return Repeat(caller.name, key, hashlib.sha256(canonical.encode()).hexdigest())


@routes.add(
    "GET",
    "/windows",
    {200: Answer("A page of windows, newest first.", schemas.Windows)},
    query=schemas.WindowsQuery,
)
def list_windows(context: WebContext, caller: Caller, *, query: schemas.WindowsQuery) -> Response:
    """List windows, newest first."""
    before = cursors.decode_newest(query.cursor)
    stack = caller.stack_id_or_none(query.stack)
    with context.database.read() as session:
        rows = windows.page(session, state=query.state, stack=stack, before=before, limit=query.limit + 1)
        page, after = cursors.split_newest(rows, query.limit)
        items = describe_windows(session, page, context.database.now())
    return responses.json({"items": items, "next": after})


@routes.add("GET", "/windows/<window>", {200: Answer("The window.", schemas.Window)}, refuses=(404,))
def show_window(context: WebContext, caller: Caller, *, window: str) -> Response:
    """Show a window with its services, its calls and the time left.

    Reading a window does not extend it.
    """
    return responses.json(read_window(context, window))


@routes.add(
    "GET",
    "/windows/<window>/diagnosis",
    {200: Answer("Why its services failed, by name.", schemas.Diagnoses)},
    refuses=(404,),
)
def show_window_diagnosis(context: WebContext, caller: Caller, *, window: str) -> Response:
    """Show why services failed while a window held them, even if they run now."""
    require_window_id(window)
    with context.database.read() as session:
        row = windows.get(session, window)
        if row is None:
            raise UnknownWindow(window)
        diagnoses = diagnosis_views.of_windows(session, [row])[row.id]
    return responses.json({"items": [diagnoses[name] for name in sorted(diagnoses)]})


@routes.add(
    "PATCH",
    "/windows/<window>",
    {200: Answer("The window, with its new deadline.", schemas.Window)},
    body=schemas.Extend,
    refuses=(404, 409),
)
def extend_window(context: WebContext, caller: Caller, *, window: str, body: schemas.Extend) -> Response:
    """Move a window's deadline to `ttl_sec` seconds from now."""
    extend_deadline(context, caller, window, body.ttl_sec)
    return responses.json(read_window(context, window))


@routes.add(
    "POST",
    "/windows/<window>/close",
    {
        202: Answer("The window, which is closing.", schemas.Window, headers=APPLIED),
        200: Answer("The window, which was closed already.", schemas.Window),
    },
    body=schemas.Close,
    headers=(PREFER,),
    refuses=(404,),
)
def close_window(context: WebContext, caller: Caller, *, window: str, body: schemas.Close) -> Response:
    """Close a window before its deadline; a closed window stays as it is."""
    if close_and_dispatch(context, caller, window, reason=body.reason, force=body.force):
        return responses.json(read_window(context, window))
    granted = wait_if_preferred(context, is_closed, window)
    return responses.json(read_window(context, window), 202, granted)
