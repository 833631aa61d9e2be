"""Windows over HTTP: open, list, show, extend, close."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from flask import Response, request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.enums import Action, Event, State
from app.domain.errors import Refusal, UnknownWindow
from app.domain.windows import ENDED
from app.store import audit, stacks, workers
from app.store import windows as rows
from app.store.tables import Call, Window
from app.task_queue import about
from app.usecases.windows import transitions
from app.usecases.windows.transitions import OpeningPlan, OpenRequest, Repeat
from app.web import problems, request_parsing, responses, row_views, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.response_cache import CachedRead
from app.web.routes import KEY, PREFER, Answer, Routes
from app.web.window_waits import Done, closed, outcome_known

routes = Routes("windows", "/api/v1")

_TRIES = 3
_ID = 32
"""Characters of a window's id, at most."""

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
        return _planned(front, ask, caller)
    window = open_and_dispatch(front, ask, caller, _repeat(body, caller))
    granted = wait_if_preferred(front, outcome_known, window.id)
    headers = {"Location": f"/api/v1/windows/{window.id}"} | granted
    shown = read_window(front, window.id) if granted else row_views.window(window, (), front.database.now())
    return responses.json(shown, 202, headers)


def _planned(front: WebContext, ask: OpenRequest, caller: Caller) -> Response:
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


def plan_opening(front: WebContext, ask: OpenRequest, caller: Caller) -> OpeningPlan:
    """What opening would do; raises what opening would."""
    with audit_refusals(front, caller, "plan", ask.stack), front.database.read() as session:
        return transitions.plan(session, ask)


def _repeat(body: schemas.Open, caller: Caller) -> Repeat | None:
    key = request_parsing.key(request)
    if key is None:
        return None
    # By what was meant: the order of members and the spelling of numbers make no other body.
    meant = json.dumps(body.model_dump(), sort_keys=True)
    return Repeat(caller.name, key, hashlib.sha256(meant.encode()).hexdigest())


def open_and_dispatch(
    front: WebContext, ask: OpenRequest, caller: Caller, repeat: Repeat | None = None
) -> Window:
    """The window, committed and its node nudged, or the one that this key stands for."""
    with audit_refusals(front, caller, "open", ask.stack):
        window, new = _open(front, ask, caller, repeat)
    if new and window.state == State.OPENING:
        front.nudged(front.dispatch.opening(window.id, window.node, _about(window)))
    return window


def _about(window: Window) -> str:
    return about(window.id, window.stack, window.services)


def _open(front: WebContext, ask: OpenRequest, caller: Caller, repeat: Repeat | None) -> tuple[Window, bool]:
    for last in (*[False] * (_TRIES - 1), True):
        try:
            with front.database.write() as session:
                now = front.database.now()
                window, new = opening.open_window(
                    session,
                    ask,
                    actor=caller.name,
                    now=now,
                    repeat=repeat,
                    wait_for_node=front.settings.wait_for_node,
                )
            return window, new
        except IntegrityError:
            # Another had the same key, or the same service's first row, a moment earlier; now it is found.
            if last:
                raise
    raise AssertionError("the last try returns or raises")


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


def extend_deadline(front: WebContext, caller: Caller, window: str, ttl: float) -> None:
    """Move the deadline to `ttl` seconds from now."""
    require_window_id(window)
    with audit_refusals(front, caller, "extend"), front.database.write() as session:
        # Another may hold the row: the time that counts is the one after waiting for it.
        rows.locked(session, window)
        extending.extend(session, window, ttl, actor=caller.name, now=front.database.now())


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
    granted = wait_if_preferred(front, closed, window)
    return responses.json(read_window(front, window), 202, granted)


def close_and_dispatch(
    front: WebContext, caller: Caller, window: str, *, reason: str | None = None, force: bool = False
) -> bool:
    """Start closing; True where it was closed already."""
    require_window_id(window)
    with audit_refusals(front, caller, "close"), front.database.write() as session:
        before = rows.locked(session, window)
        was_closed = before is not None and before.state == State.CLOSED
        now = front.database.now()
        row = closing.close(session, window, actor=caller.name, now=now, reason=reason, force=force)
    if not was_closed:
        front.nudged(front.dispatch.closing(row.id, row.node, _about(row)))
    return was_closed


def wait_if_preferred(front: WebContext, done: Done, window: str) -> dict[str, str]:
    """Wait as the caller prefers; the headers that say so, or none where nothing was asked or granted."""
    seconds = request_parsing.wait(request)
    if seconds is None or not front.waiting.until(done, window, seconds):
        return {}
    return {"Preference-Applied": f"wait={seconds:g}"}


def read_window(front: WebContext, window: str) -> dict[str, Any]:
    """One window as it is now; raises UnknownWindow."""
    require_window_id(window)

    def read() -> CachedRead:
        with front.database.read() as session:
            row = rows.get(session, window)
            if row is None:
                raise UnknownWindow(window)
            shown = describe_windows(session, [row], front.database.now())[0]
            return CachedRead(shown, State(row.state), row.deadline)

    return front.memory.of(window, read).at(front.database.now())


def describe_windows(session: Session, found: Sequence[Window], now: datetime) -> list[dict[str, Any]]:
    """Windows as they are now, each with its calls."""
    calls = rows.calls(session, [row.id for row in found])
    away = _away(session, found, now)
    return [
        row_views.window(
            row, calls[row.id], now, _once_ready(session, row, calls[row.id]), away=away.get(row.stack)
        )
        for row in found
    ]


def _away(session: Session, found: Sequence[Window], now: datetime) -> dict[str, datetime]:
    """Of the stacks whose windows still move: those that nobody serves, and since when."""
    moving = {row.stack for row in found if row.state not in {State.WAITING, State.CLOSED}}
    if not moving:
        return {}
    return workers.away(session, [row for row in stacks.every(session) if row.name in moving], now)


def _once_ready(session: Session, row: Window, calls: Sequence[Call]) -> set[str]:
    """Of a window that has ended: what was ready under it. What still stands is seen without the trail."""
    idle = {lease.service for lease in row.leases} - {
        call.service for call in calls if call.action == Action.UP
    }
    if row.state not in ENDED or not idle:
        return set()
    trail = audit.entries(session, window=row.id, limit=schemas.LIMIT)
    return {entry.service for entry in trail if entry.service and entry.event == Event.SERVICE_READY}


def require_window_id(window: str) -> None:
    """No database is asked for what no window is called; some would choke on it."""
    if len(window) > _ID or not (window.isascii() and window.isalnum()):
        raise UnknownWindow(window)


@contextmanager
def audit_refusals(front: WebContext, caller: Caller, what: str, stack: str | None = None) -> Iterator[None]:
    """Put a refusal on the trail that deserves it, in a transaction of its own, and let it go on."""
    try:
        yield
    except Refusal as refusal:
        if problems.kind_of(refusal).status in {403, 409, 503}:
            with front.database.read() as session:
                meant = stack or _only(stacks.names(session))
            front.refusals.record(refusal, actor=caller.name, what=what, stack=meant)
        raise


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None
