"""Windows over HTTP: open, list, show, extend, close."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from flask import Response, request

from app.store import windows as rows
from app.usecases.windows.open import OpenRequest, Repeat
from app.web import request_parsing, responses, row_views, schemas
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
from app.web.window_views import describe_windows, read_window
from app.web.window_waits import is_closed, is_outcome_known

routes = Routes("windows", "/api/v1")


LOCATION = {"Location": "Where the window is to be read."}


APPLIED = {"Preference-Applied": "The wait that was granted, where one was asked for."}


@routes.add(
    "POST",
    "/windows",
    {
        202: Answer("The window, on its way up.", schemas.Window, headers=LOCATION | APPLIED),
        200: Answer("What opening would do, for `plan=1`.", schemas.Plan),
    },
    body=schemas.Open,
    query=schemas.OpenQuery,
    headers=(KEY, PREFER),
    refuses=(403, 409),
)
def open_window(
    front: WebContext, caller: Caller, *, body: schemas.Open, query: schemas.OpenQuery
) -> Response:
    """Open a window.

    The services and their dependencies are powered, and stay so until the deadline. Where the
    stack's node is away, the window waits for it and its time counts from when it begins; or it is
    refused with 503, as this house is set.
    """
    ask = OpenRequest(body.services, body.stack, body.ttl_sec, body.reason)
    if query.plan:
        return _plan_response(front, ask, caller)
    window = open_and_dispatch(front, ask, caller, _repeat(body, caller))
    granted = wait_if_preferred(front, is_outcome_known, window.id)
    headers = {"Location": f"/api/v1/windows/{window.id}"} | granted
    shown = read_window(front, window.id) if granted else row_views.window(window, (), front.database.now())
    return responses.json(shown, 202, headers)


def _plan_response(front: WebContext, ask: OpenRequest, caller: Caller) -> Response:
    plan = plan_opening(front, ask, caller)
    return responses.json(
        {
            "stack": plan.stack,
            "services": plan.services,
            "ttl_sec": row_views.number(plan.ttl_sec),
            "waves": plan.waves,
            "already_on": plan.already_on,
        }
    )


def _repeat(body: schemas.Open, caller: Caller) -> Repeat | None:
    key = request_parsing.key(request)
    if key is None:
        return None
    # By what was meant: the order of members and the spelling of numbers make no other body.
    meant = json.dumps(body.model_dump(), sort_keys=True)
    return Repeat(caller.name, key, hashlib.sha256(meant.encode()).hexdigest())


@routes.add(
    "GET",
    "/windows",
    {200: Answer("A page of windows, newest first.", schemas.Windows)},
    query=schemas.WindowsQuery,
)
def list_windows(front: WebContext, caller: Caller, *, query: schemas.WindowsQuery) -> Response:
    """List windows, newest first."""
    before = request_parsing.place(query.cursor, "cursor", datetime, str) if query.cursor else None
    with front.database.read() as session:
        found = rows.page(session, state=query.state, stack=query.stack, before=before, limit=query.limit + 1)
        page = found[: query.limit]
        items = describe_windows(session, page, front.database.now())
    more = len(found) > query.limit
    return responses.json(
        {"items": items, "next": request_parsing.cursor(page[-1].created_at, page[-1].id) if more else None}
    )


@routes.add("GET", "/windows/<window>", {200: Answer("The window.", schemas.Window)}, refuses=(404,))
def show_window(front: WebContext, caller: Caller, *, window: str) -> Response:
    """Show a window with its services, its calls and the time left.

    Reading never renews it.
    """
    return responses.json(read_window(front, window))


@routes.add(
    "PATCH",
    "/windows/<window>",
    {200: Answer("The window, with its new deadline.", schemas.Window)},
    body=schemas.Extend,
    refuses=(404, 409),
)
def extend_window(front: WebContext, caller: Caller, *, window: str, body: schemas.Extend) -> Response:
    """Move a window's deadline to `ttl_sec` seconds from now."""
    extend_deadline(front, caller, window, body.ttl_sec)
    return responses.json(read_window(front, window))


@routes.add(
    "POST",
    "/windows/<window>/close",
    {
        202: Answer("The window, on its way down.", schemas.Window, headers=APPLIED),
        200: Answer("It was closed already.", schemas.Window),
    },
    body=schemas.Close,
    headers=(PREFER,),
    refuses=(404,),
)
def close_window(front: WebContext, caller: Caller, *, window: str, body: schemas.Close) -> Response:
    """Close a window before its time; closing a closed one does nothing."""
    if close_and_dispatch(front, caller, window, reason=body.reason, force=body.force):
        return responses.json(read_window(front, window))
    granted = wait_if_preferred(front, is_closed, window)
    return responses.json(read_window(front, window), 202, granted)
