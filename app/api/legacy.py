"""The original surface, `/madre/power/...`: the same windows, with answers that wait for the outcome."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.api import reading, replies, schemas
from app.api import stacks as stack_views
from app.api.auth import Caller
from app.api.front import Front
from app.api.routes import Answer, Routes
from app.api.waiting import closed, outcome_known
from app.api.windows import on_record, opened, seen, show, shut
from app.control import Ask
from app.domain import modes
from app.domain.refusals import WhichWindow
from app.domain.words import Action, CallStatus, Mode
from app.store import stacks, windows
from app.store.tables import stamp

routes = Routes("original", "/madre/power")

_STOPS = {Action.STOP, Action.KILL}


@routes.add(
    "POST",
    "/window/open",
    {200: Answer("The outcome, or how far it is after 60 s.", schemas.LegacyWindow)},
    body=schemas.LegacyOpen,
    refuses=(403, 409),
)
def legacy_open(front: Front, caller: Caller, *, body: schemas.LegacyOpen) -> Response:
    """Open a window and wait for the outcome, 60 s at most."""
    window = opened(front, Ask(body.services, ttl_sec=body.ttl_sec), caller)
    front.waiting.until(outcome_known, window.id, reading.LONGEST_WAIT)
    return replies.json(_said(front, window.id))


@routes.add(
    "POST",
    "/window/close",
    {200: Answer("The outcome, or how far it is after 60 s.", schemas.LegacyClosed)},
    body=schemas.LegacyClose,
    refuses=(404, 409),
)
def legacy_close(front: Front, caller: Caller, *, body: schemas.LegacyClose) -> Response:
    """Close a window and wait until it is closed, 60 s at most.

    Without `window_id` it is the caller's only live one.
    """
    window = body.window_id or _only_one(front, caller)
    if not shut(front, caller, window):
        front.waiting.until(closed, window, reading.LONGEST_WAIT)
    said = _said(front, window)
    stopped = {one["service"] for one in said["results"] if _stopped(one)}
    return replies.json(said | {"services_stopped": sorted(stopped)})


def _stopped(result: dict[str, Any]) -> bool:
    return result["action"] in _STOPS and result["status"] == CallStatus.OK


def _only_one(front: Front, caller: Caller) -> str:
    with on_record(front, caller, "close"), front.database.read() as session:
        live = [window.id for window in windows.live_of(session, caller.name, front.database.now())]
        if len(live) != 1:
            raise WhichWindow(live)
        return live[0]


@routes.add("GET", "/status", {200: Answer("How everything stands.", schemas.LegacyStatus)})
def legacy_status(front: Front, caller: Caller) -> Response:
    """Show the mode, the stacks with their services, and the windows that are not closed."""
    with front.database.read() as session:
        now = front.database.now()
        shown = stack_views.shown(session, stacks.every(session), now)
        live = [window for stack in shown for window in windows.moving_of(session, stack["name"])]
        said = {
            "mode": modes.worst({Mode(stack["mode"]) for stack in shown}),
            "stacks": shown,
            "windows": seen(session, live, now),
            "timestamp": stamp(now),
        }
    return replies.json(said)


def _said(front: Front, window: str) -> dict[str, Any]:
    full = show(front, window)
    kept = ("state", "created_at", "deadline", "ttl_remaining_sec", "status", "results")
    moment = stamp(front.database.now())
    return {"window_id": full["id"], **{name: full[name] for name in kept}, "timestamp": moment}
