"""The original API, `/madre/power/...`: the same windows, with responses that wait for the outcome."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain import stack_mode
from app.domain.enums import Action, CallStatus, Mode
from app.domain.errors import WhichWindow
from app.store import stacks, windows
from app.store.tables import stamp
from app.usecases.windows.open import OpenRequest
from app.web import request_parsing, responses, schemas, stack_views
from app.web.actions import audit_refusals, close_and_dispatch, open_and_dispatch
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes
from app.web.window_views import describe_windows, read_window
from app.web.window_waits import is_closed, is_outcome_known

routes = Routes("original", "/madre/power")

_STOPS = {Action.STOP, Action.KILL}


@routes.add(
    "POST",
    "/window/open",
    {200: Answer("The outcome, or the state after 60 s.", schemas.LegacyWindow)},
    body=schemas.LegacyOpen,
    refuses=(403, 409),
)
def legacy_open(context: WebContext, caller: Caller, *, body: schemas.LegacyOpen) -> Response:
    """Open a window and wait for the outcome, 60 s at most."""
    window = open_and_dispatch(context, OpenRequest(body.services, ttl_sec=body.ttl_sec), caller)
    context.window_waits.until(is_outcome_known, window.id, request_parsing.LONGEST_PREFERRED_WAIT)
    return responses.json(_describe_window(context, window.id))


@routes.add(
    "POST",
    "/window/close",
    {200: Answer("The outcome, or the state after 60 s.", schemas.LegacyClosed)},
    body=schemas.LegacyClose,
    refuses=(404, 409),
)
def legacy_close(context: WebContext, caller: Caller, *, body: schemas.LegacyClose) -> Response:
    """Close a window and wait until it is closed, 60 s at most.

    Without `window_id` it closes the caller's only live window.
    """
    window = body.window_id or _only_one(context, caller)
    if not close_and_dispatch(context, caller, window):
        context.window_waits.until(is_closed, window, request_parsing.LONGEST_PREFERRED_WAIT)
    payload = _describe_window(context, window)
    stopped = {one["service"] for one in payload["results"] if _is_stop(one)}
    return responses.json(payload | {"services_stopped": sorted(stopped)})


def _is_stop(result: dict[str, Any]) -> bool:
    return result["action"] in _STOPS and result["status"] == CallStatus.OK


def _only_one(context: WebContext, caller: Caller) -> str:
    with audit_refusals(context, caller, "close"), context.database.read() as session:
        live = [window.id for window in windows.live_of(session, caller.name, context.database.now())]
        if len(live) != 1:
            raise WhichWindow(live)
        return live[0]


@routes.add("GET", "/status", {200: Answer("The state of all stacks and windows.", schemas.LegacyStatus)})
def legacy_status(context: WebContext, caller: Caller) -> Response:
    """Show the mode, the stacks with their services, and the windows that are not closed."""
    with context.database.read() as session:
        now = context.database.now()
        stack_payloads = stack_views.describe_stacks(session, stacks.every(session), now)
        live = [window for stack in stack_payloads for window in windows.moving_of(session, stack["name"])]
        payload = {
            "mode": stack_mode.worst({Mode(stack["mode"]) for stack in stack_payloads}),
            "stacks": stack_payloads,
            "windows": describe_windows(session, live, now),
            "timestamp": stamp(now),
        }
    return responses.json(payload)


def _describe_window(context: WebContext, window: str) -> dict[str, Any]:
    view = read_window(context, window)
    fields = ("state", "created_at", "deadline", "ttl_remaining_sec", "status", "results")
    moment = stamp(context.database.now())
    return {"window_id": view["id"], **{name: view[name] for name in fields}, "timestamp": moment}
