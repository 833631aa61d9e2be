"""The original surface, `/madre/power/...`: the same windows, with answers that wait for the outcome."""

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
    {200: Answer("The outcome, or how far it is after 60 s.", schemas.LegacyWindow)},
    body=schemas.LegacyOpen,
    refuses=(403, 409),
)
def legacy_open(front: WebContext, caller: Caller, *, body: schemas.LegacyOpen) -> Response:
    """Open a window and wait for the outcome, 60 s at most."""
    window = open_and_dispatch(front, OpenRequest(body.services, ttl_sec=body.ttl_sec), caller)
    front.waiting.until(is_outcome_known, window.id, request_parsing.LONGEST_PREFERRED_WAIT)
    return responses.json(_describe_window(front, window.id))


@routes.add(
    "POST",
    "/window/close",
    {200: Answer("The outcome, or how far it is after 60 s.", schemas.LegacyClosed)},
    body=schemas.LegacyClose,
    refuses=(404, 409),
)
def legacy_close(front: WebContext, caller: Caller, *, body: schemas.LegacyClose) -> Response:
    """Close a window and wait until it is closed, 60 s at most.

    Without `window_id` it is the caller's only live one.
    """
    window = body.window_id or _only_one(front, caller)
    if not close_and_dispatch(front, caller, window):
        front.waiting.until(is_closed, window, request_parsing.LONGEST_PREFERRED_WAIT)
    said = _describe_window(front, window)
    stopped = {one["service"] for one in said["results"] if _is_stop(one)}
    return responses.json(said | {"services_stopped": sorted(stopped)})


def _is_stop(result: dict[str, Any]) -> bool:
    return result["action"] in _STOPS and result["status"] == CallStatus.OK


def _only_one(front: WebContext, caller: Caller) -> str:
    with audit_refusals(front, caller, "close"), front.database.read() as session:
        live = [window.id for window in windows.live_of(session, caller.name, front.database.now())]
        if len(live) != 1:
            raise WhichWindow(live)
        return live[0]


@routes.add("GET", "/status", {200: Answer("How everything stands.", schemas.LegacyStatus)})
def legacy_status(front: WebContext, caller: Caller) -> Response:
    """Show the mode, the stacks with their services, and the windows that are not closed."""
    with front.database.read() as session:
        now = front.database.now()
        shown = stack_views.describe_stacks(session, stacks.every(session), now)
        live = [window for stack in shown for window in windows.moving_of(session, stack["name"])]
        said = {
            "mode": stack_mode.worst({Mode(stack["mode"]) for stack in shown}),
            "stacks": shown,
            "windows": describe_windows(session, live, now),
            "timestamp": stamp(now),
        }
    return responses.json(said)


def _describe_window(front: WebContext, window: str) -> dict[str, Any]:
    full = read_window(front, window)
    kept = ("state", "created_at", "deadline", "ttl_remaining_sec", "status", "results")
    moment = stamp(front.database.now())
    return {"window_id": full["id"], **{name: full[name] for name in kept}, "timestamp": moment}
