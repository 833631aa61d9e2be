"""What the API, the console and the waiting page share: change a window, audit a refusal, send the hint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import request
from sqlalchemy.exc import IntegrityError

from app.domain.enums import State
from app.domain.errors import Refusal
from app.domain.scenarios import RunState
from app.store import runs, stacks
from app.store import windows as rows
from app.store.tables import ScenarioRun, Window
from app.task_queue import about
from app.usecases import runs as conducting
from app.usecases.windows import close as closing
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpeningPlan, OpenRequest, Repeat
from app.web import problems, request_parsing
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.run_views import require_run_id
from app.web.window_views import require_window_id
from app.web.window_waits import Done

_TRIES = 3


def plan_opening(front: WebContext, ask: OpenRequest, caller: Caller) -> OpeningPlan:
    """What opening would do; raises what opening would."""
    with audit_refusals(front, caller, "plan", ask.stack), front.database.read() as session:
        return opening.plan(session, ask)


def open_and_dispatch(
    front: WebContext, ask: OpenRequest, caller: Caller, repeat: Repeat | None = None
) -> Window:
    """The window, committed and its node nudged, or the one that this key stands for."""
    with audit_refusals(front, caller, "open", ask.stack):
        window, new = _open(front, ask, caller, repeat)
    if new and window.state == State.OPENING:
        front.count_unsent(front.dispatch.opening(window.id, window.node, _about(window)))
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


def extend_deadline(front: WebContext, caller: Caller, window: str, ttl: float) -> None:
    """Move the deadline to `ttl` seconds from now."""
    require_window_id(window)
    with audit_refusals(front, caller, "extend"), front.database.write() as session:
        # Another may hold the row: the time that counts is the one after waiting for it.
        rows.locked(session, window)
        extending.extend(session, window, ttl, actor=caller.name, now=front.database.now())


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
        front.count_unsent(front.dispatch.closing(row.id, row.node, _about(row)))
    return was_closed


def start_run_and_dispatch(front: WebContext, caller: Caller, scenario: Any) -> ScenarioRun:
    """A new run of a scenario, committed and its node nudged."""
    stack = scenario.get("stack") if isinstance(scenario, dict) else None
    meant = stack if isinstance(stack, str) else None
    with audit_refusals(front, caller, "run", meant), front.database.write() as session:
        run = conducting.start_run(session, scenario, actor=caller.name, now=front.database.now())
    front.count_unsent(front.dispatch.conducting(run.id, run.node, about(run.id, run.stack, run.services)))
    return run


def cancel_run_and_dispatch(front: WebContext, caller: Caller, run: str) -> bool:
    """Cancel a run; True where it was finished already."""
    require_run_id(run)
    with front.database.write() as session:
        before = runs.get(session, run)
        was_finished = before is not None and before.state == RunState.FINISHED
        row = conducting.cancel_run(session, run, actor=caller.name, now=front.database.now())
    if not was_finished:
        front.count_unsent(front.dispatch.conducting(row.id, row.node))
        if row.window_id:
            front.count_unsent(front.dispatch.closing(row.window_id, row.node))
    return was_finished


def wait_if_preferred(front: WebContext, done: Done, window: str) -> dict[str, str]:
    """Wait as the caller prefers; the headers that say so, or none where nothing was asked or granted."""
    seconds = request_parsing.wait(request)
    if seconds is None or not front.waiting.until(done, window, seconds):
        return {}
    return {"Preference-Applied": f"wait={seconds:g}"}


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
