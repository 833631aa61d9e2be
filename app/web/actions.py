"""Actions that API, console and waiting page share: change a window, audit a refusal, message a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import request
from sqlalchemy.exc import IntegrityError

from app.domain.enums import State
from app.domain.errors import Refusal
from app.domain.stack_id import StackId, namespace_of
from app.store import stacks, windows
from app.store.tables import IntentRequest, ScenarioRun, Window
from app.task_queue import about
from app.usecases import runs as conducting
from app.usecases.windows import close, extend
from app.usecases.windows.open import OpeningPlan, OpenRequest, Repeat, open_window, plan
from app.web import problems, request_parsing
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.run_views import require_run_id
from app.web.window_views import require_window_id
from app.web.window_waits import WaitCondition

_TRIES = 3


def plan_opening(context: WebContext, ask: OpenRequest, caller: Caller) -> OpeningPlan:
    """The plan of an opening; raises the same refusals as the opening."""
    with audit_refusals(context, caller, "plan", ask.stack), context.database.read() as session:
        return plan(session, ask)


def open_and_dispatch(
    context: WebContext, ask: OpenRequest, caller: Caller, repeat: Repeat | None = None
) -> Window:
    """Open and commit a window and message its node; for a repeated key return the first window."""
    with audit_refusals(context, caller, "open", ask.stack):
        window, new = _open(context, ask, caller, repeat)
    if new and window.state == State.OPENING:
        context.count_unsent(context.dispatch.opening(window.id, window.node, _about(window)))
    return window


def _about(window: Window) -> str:
    return about(window.id, window.stack, window.services)


def _open(
    context: WebContext, ask: OpenRequest, caller: Caller, repeat: Repeat | None
) -> tuple[Window, bool]:
    for last in (*[False] * (_TRIES - 1), True):
        try:
            with context.database.write() as session:
                now = context.database.now()
                window, new = open_window(
                    session,
                    ask,
                    actor=caller.name,
                    now=now,
                    repeat=repeat,
                    wait_for_node=context.settings.wait_for_node,
                )
            return window, new
        except IntegrityError:
            # Another request has just inserted the same key or service row; the next try finds it.
            if last:
                raise
    raise AssertionError("the last try returns or raises")


def extend_deadline(context: WebContext, caller: Caller, window: str, ttl: float) -> None:
    """Move the deadline to `ttl` seconds from now."""
    require_window_id(window)
    with audit_refusals(context, caller, "extend"), context.database.write() as session:
        # Another transaction may have locked the row, so the time is taken after the lock.
        windows.lock_window(session, window)
        extend.extend(session, window, ttl, actor=caller.name, now=context.database.now())


def close_and_dispatch(
    context: WebContext, caller: Caller, window: str, *, reason: str | None = None, force: bool = False
) -> bool:
    """Start to close a window; return True where it was closed already."""
    require_window_id(window)
    with audit_refusals(context, caller, "close"), context.database.write() as session:
        before = windows.lock_window(session, window)
        was_closed = before is not None and before.state == State.CLOSED
        now = context.database.now()
        row = close.close(session, window, actor=caller.name, now=now, reason=reason, force=force)
    if not was_closed:
        context.count_unsent(context.dispatch.closing(row.id, row.node, _about(row)))
    return was_closed


def start_run_and_dispatch(context: WebContext, caller: Caller, scenario: Any) -> ScenarioRun:
    """Commit a new run of a scenario and message its node."""
    stack = scenario.get("stack") if isinstance(scenario, dict) else None
    stack_id = caller.stack_id(stack) if isinstance(stack, str) else None
    with audit_refusals(context, caller, "run", stack_id), context.database.write() as session:
        run = conducting.start_run(session, scenario, actor=caller.name, now=context.database.now())
    context.count_unsent(
        context.dispatch.conducting(run.id, run.node, about(run.id, run.stack, run.services))
    )
    return run


def cancel_run_and_dispatch(context: WebContext, caller: Caller, run: str) -> bool:
    """Cancel a run; return True where it was finished already."""
    require_run_id(run)
    with context.database.write() as session:
        was_finished = is_finished(session.get(ScenarioRun, run))
        row = conducting.cancel_run(session, run, actor=caller.name, now=context.database.now())
    if not was_finished:
        context.count_unsent(context.dispatch.conducting(row.id, row.node))
        dispatch_closing(context, row)
    return was_finished


def is_finished(job: ScenarioRun | IntentRequest | None) -> bool:
    """Whether there is a job of which nothing is left to cancel."""
    return job is not None and job.state not in job.UNFINISHED


def dispatch_closing(context: WebContext, job: ScenarioRun | IntentRequest) -> None:
    """Message the node about the window of a job that closes, where the job has one."""
    if job.window_id:
        context.count_unsent(context.dispatch.closing(job.window_id, job.node))


def wait_if_preferred(context: WebContext, condition: WaitCondition, window: str) -> dict[str, str]:
    """Wait as the request prefers; return the header for the response, empty if there was no wait."""
    seconds = request_parsing.wait(request)
    if seconds is None or not context.window_waits.until(condition, window, seconds):
        return {}
    return {"Preference-Applied": f"wait={seconds:g}"}


@contextmanager
def audit_refusals(
    context: WebContext, caller: Caller, what: str, stack: StackId | None = None
) -> Iterator[None]:
    """Record a refusal with status 403, 409 or 503 in the audit trail, in its own transaction; raise it."""
    try:
        yield
    except Refusal as refusal:
        if problems.kind_of(refusal).status in {403, 409, 503}:
            with context.database.read() as session:
                stack_name = stack or _only(stacks.names(session))
            context.refusals.record(refusal, actor=caller.name, what=what, stack=stack_name)
        raise


def _only(names: list[StackId]) -> StackId | None:
    names = [name for name in names if not namespace_of(name)] or names
    return names[0] if len(names) == 1 else None
