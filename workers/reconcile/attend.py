"""Submit the calls that an opening window or a closing stack needs now.

No task waits for a call: each one has a thread of its own, in a queue for starts or one for stops.

    attend_opening(window) --> next_starts --+
                                             +--> a queue each --> converge --> inspect again
    attend_closing(stack)  --> next_stops ---+
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.calls import StartedCall
from app.domain.decisions import Decision
from app.domain.enums import Action, Loop, Role
from app.domain.planning import ServiceSpec
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.usecases.reconciliation.power_decisions import (
    DueCalls,
    EngineAnswer,
    next_starts,
    next_stops,
    start_decision,
    stop_decision,
)
from workers.engine.compose import Command
from workers.reconcile import outdated_calls, run_images, shared_resources
from workers.reconcile.converge import Decide, Seen, converge, started_call
from workers.reconcile.failed_attempts import failure_recorded
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger
from workers.state.running_calls import ENDS_WITHIN


def attend_opening(context: WorkerContext, window: str) -> None:
    """Submit the start of every service of an opening window that may start now, and inspect the others."""
    served, due = _due_starts(context, window)
    if served is None:
        return
    decide = StartFor(context, served, window)
    for name in due.names:
        _submit(context, Loop.OPENING, served, name, partial(_start, context, served, name, decide))
    # What runs already makes no event: an inspection finds it, and settles the window.
    context.look_again(served.spec.name, due.others, Trigger.REQUEST)


def attend_closing(context: WorkerContext, stack: StackId) -> None:
    """Submit the stop of every service of a stack that may stop now, and inspect the others."""
    served = context.stacks.get(stack)
    if served is None or context.snapshot.lost:
        # Calls made without the database have to be imported first, or they would be made again.
        return
    due = _due_stops(context, served)
    outdated_calls.cancel_outdated(context, stack)
    decide = StopUnheld(context, served)
    for name in due.names:
        _submit(context, Loop.CLOSING, served, name, partial(_stop, context, served, name, decide))
    context.look_again(stack, due.others, Trigger.REQUEST)


def _submit(
    context: WorkerContext, loop: Loop, served: Served, service: str, work: Callable[[], None]
) -> None:
    queue, key = context.opening if loop is Loop.OPENING else context.closing, (served.spec.name, service)
    queue.submit(key, partial(context.guard.run, loop, work, "/".join(key)))


def _due_starts(context: WorkerContext, window_id: str) -> tuple[Served | None, DueCalls]:
    """Return the stack of a window, None where this worker cannot start its services, and the due starts."""
    now = context.database.now()
    with context.database.write() as session:
        window = rows.get(session, window_id)
        served = context.stacks.get(window.stack) if window else None
        if served is None or served.place is None:
            return None, DueCalls()
        if window and context.reads_files_first(window.stack):
            # The loop that reads them has the stack inspected afterwards, which comes back here.
            return served, DueCalls()
        due = next_starts(session, served.spec, window_id, now)
    if due.names:
        # Should the database go away during the start, its end must be known here.
        context.snapshot.note(served.spec, due.leases, context.engine_id)
    return served, due


def _due_stops(context: WorkerContext, served: Served) -> DueCalls:
    now = context.database.now()
    with context.database.write() as session:
        return next_stops(session, served.spec, now)


def _start(context: WorkerContext, served: Served, service: str, decide: StartFor) -> None:
    if served.place is None:
        return
    with failure_recorded(context, partial(_attempt, context, served, service, decide)):
        shared = replace(served, place=shared_resources.prepare(context, served, service))
        with run_images.prepared_for(context, shared, service, decide.window) as prepared:
            _converge_and_inspect(context, prepared, service, decide)


def _stop(context: WorkerContext, served: Served, service: str, decide: Decide) -> None:
    running = context.running.get(served.spec.name, service)
    if running and running.cancelled:
        running.ended.wait(ENDS_WITHIN)
    with failure_recorded(context, partial(_attempt, context, served, service, decide)):
        _converge_and_inspect(context, served, service, decide)


def _converge_and_inspect(context: WorkerContext, served: Served, service: str, decide: Decide) -> None:
    if converge(context, served, service, decide):
        context.look_again(served.spec.name, [service], Trigger.CALL)


def _attempt(
    context: WorkerContext, served: Served, service: str, decide: Decide, session: Session
) -> StartedCall | None:
    """Return the due call of a service, by the database alone."""
    decision, window = decide(session, service, None)
    if decision.action is Action.NONE:
        return None
    spec = served.spec.services.get(service) or ServiceSpec(service)
    return started_call(context, served, spec, Command(decision.action, (), Path("/")), window)


@dataclass(frozen=True, slots=True)
class StartFor:
    """Decides whether to start a service of this stack for one window."""

    context: WorkerContext
    served: Served
    window: str

    def __call__(self, session: Session, service: str, containers: Seen) -> tuple[Decision, str | None]:
        answer, now = _answer(self.context, self.served, containers), self.context.database.now()
        return start_decision(session, self.served.spec, service, self.window, answer, now=now)


@dataclass(frozen=True, slots=True)
class StopUnheld:
    """Decides whether to stop a service of this stack that no live window holds."""

    context: WorkerContext
    served: Served

    def __call__(self, session: Session, service: str, containers: Seen) -> tuple[Decision, str | None]:
        answer, now = _answer(self.context, self.served, containers), self.context.database.now()
        return stop_decision(session, self.served.spec.name, service, self._role(service), answer, now=now)

    def _role(self, service: str) -> Role:
        """The role by the worker's own files, also by those that were in force before."""
        spec = self.served.spec.services.get(service)
        if service in self.context.core.get(self.served.spec.name, ()):
            return Role.CORE
        return spec.role if spec else Role.NONE


def _answer(context: WorkerContext, served: Served, containers: Seen) -> EngineAnswer:
    location, engine = context.location(served.spec), context.engine
    return EngineAnswer(containers, location, engine.now(), engine.fault or "")
