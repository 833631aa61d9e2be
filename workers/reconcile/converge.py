"""Make one service's actual power equal its desired power.

Everything that changes the engine goes through `converge`. Under the service's lock
it looks at what is, reads what is wanted, makes at most one compose call and records
what happened. Where another worker holds the lock it leaves. Nothing here waits for a
service to get ready, and no task waits for a call: each call has a thread of its own.

    attend_opening(window) --> startable now --+
                                               +--> a queue each --> converge --> look again
    attend_closing(stack)  --> stoppable now --+
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import tracing
from app.domain import decisions
from app.domain.calls import CallOutcome, StartedCall
from app.domain.decisions import Decision
from app.domain.enums import Action, Loop, Power, Role, State
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container, judge
from app.store import locks, services
from app.store import windows as rows
from app.store.tables import Lease, Service, Window
from app.usecases.reconciliation import calls, observations
from app.usecases.windows.settle import StackSituation, startable, stoppable
from workers.engine import compose, negotiation, references
from workers.engine.compose import Command
from workers.reconcile import outdated_calls, pre_stop, shared_resources
from workers.reconcile.failed_attempts import failure_recorded
from workers.reconcile.inspect import seen_containers
from workers.stacks.stack_reader import STOP_MARGIN, Served
from workers.state import identity
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger
from workers.state.running_calls import ENDS_WITHIN, RunningCall

log = logging.getLogger(__name__)

Seen = Sequence[Container] | None
"""A service's containers; None while the engine does not answer."""
Decide = Callable[[Session, str, Seen], tuple[Decision, str | None]]
"""What to do about a service, and for which window."""


POST_START_FAILED = "its post_start hook did not end well"
"""Why a container that runs is made anew."""


def attend_opening(context: WorkerContext, window: str) -> None:
    """Submit the start of every service of an opening window that may start now, and look at the rest."""
    served, names, leased = _to_start(context, window)
    if served is None:
        return
    decide = _Start(context, served, window)
    for name in names:
        _submit(context, Loop.OPENING, served, name, partial(_start, context, served, name, decide))
    # What runs already makes no event: a look finds it, and settles the window.
    context.look_again(served.spec.name, leased - set(names), Trigger.REQUEST)


def attend_closing(context: WorkerContext, stack: str) -> None:
    """Submit the stop of every service of a stack that may stop now, and look at the rest."""
    served = context.stacks.get(stack)
    if served is None or context.snapshot.lost:
        # Until what was done without the database is on record, it would be done again.
        return
    names, leased = _to_stop(context, served)
    outdated_calls.cancel_outdated(context, stack)
    decide = _Stop(context, served)
    for name in names:
        _submit(context, Loop.CLOSING, served, name, partial(_stop, context, served, name, decide))
    context.look_again(stack, leased - set(names), Trigger.REQUEST)


def _submit(
    context: WorkerContext, loop: Loop, served: Served, service: str, work: Callable[[], None]
) -> None:
    queue, key = context.opening if loop is Loop.OPENING else context.closing, (served.spec.name, service)
    queue.submit(key, partial(context.guard.run, loop, work, "/".join(key)))


def _to_start(context: WorkerContext, window_id: str) -> tuple[Served | None, list[str], set[str]]:
    """The stack of an opening window, its services that may start now, and all that it holds."""
    now = context.database.now()
    with context.database.write() as session:
        window = rows.get(session, window_id)
        served = context.stacks.get(window.stack) if window else None
        if window is None or served is None or served.place is None:
            return None, [], set()
        rows.touch(session, window_id, now)
        leased = {lease.service for lease in window.leases}
        if window.state != State.OPENING or window.deadline <= now:
            return served, [], leased
        names = startable(served.spec, services.of(session, served.spec.name), window)
    # Should the database go away during the start, its end must be known here.
    held = [lease.of(window) for lease in window.leases if lease.service in names]
    context.snapshot.note(served.spec, held, context.engine_id)
    return served, names, leased


def _to_stop(context: WorkerContext, served: Served) -> tuple[list[str], set[str]]:
    """The services of a stack that may stop now, and all that its closing windows held."""
    now, stack = context.database.now(), served.spec.name
    with context.database.write() as session:
        scene = StackSituation(
            session, served.spec, services.of(session, stack), rows.unfinished(session, stack), now
        )
        closing = [window for window in scene.windows if window.state == State.CLOSING]
        for window in closing:
            window.attended_at = now
        names = stoppable(served.spec, scene.seen, scene.held, now)
        return names, {lease.service for window in closing for lease in window.leases}


def _start(context: WorkerContext, served: Served, service: str, decide: Decide) -> None:
    if served.place is None:
        return
    with failure_recorded(context, partial(_attempt, context, served, service, decide)):
        prepared = replace(served, place=shared_resources.prepare(context, served, service))
        _converge_and_look(context, prepared, service, decide)


def _stop(context: WorkerContext, served: Served, service: str, decide: Decide) -> None:
    running = context.running.get(served.spec.name, service)
    if running and running.cancelled:
        running.ended.wait(ENDS_WITHIN)
    with failure_recorded(context, partial(_attempt, context, served, service, decide)):
        _converge_and_look(context, served, service, decide)


def _converge_and_look(context: WorkerContext, served: Served, service: str, decide: Decide) -> None:
    if converge(context, served, service, decide):
        context.look_again(served.spec.name, [service], Trigger.CALL)


def _attempt(
    context: WorkerContext, served: Served, service: str, decide: Decide, session: Session
) -> StartedCall | None:
    """The call that is due for a service, by what is on record alone."""
    decision, window = decide(session, service, None)
    if decision.action is Action.NONE:
        return None
    spec = served.spec.services.get(service) or ServiceSpec(service)
    return _begun(context, served, spec, Command(decision.action, (), Path("/")), window)


def converge(context: WorkerContext, served: Served, service: str, decide: Decide) -> bool:
    """Under the service's lock: look, decide, make at most one call, record it.

    Where that call ran its `pre_stop` hooks, look and decide once more. True where what is on
    record of the service is out of date by that.
    """
    spec = served.spec.services.get(service) or ServiceSpec(service)
    with locks.held(context.lock_dir, served.spec.project, service) as lock:
        if lock is None:
            return False
        made = _call(context, served, spec, _HooksFirst(decide, spec), lock)
        if made.action is Action.PRE_STOP:
            _call(context, served, spec, decide, lock)
        return made.action is not Action.NONE or made.outdated


@dataclass(frozen=True, slots=True)
class _HooksFirst:
    """What is decided of a service, but its hooks before its stop."""

    decide: Decide
    spec: ServiceSpec

    def __call__(self, session: Session, service: str, containers: Seen) -> tuple[Decision, str | None]:
        decision, window = self.decide(session, service, containers)
        return pre_stop.before(decision, self.spec, alive=_alive(containers)), window


def _alive(containers: Seen) -> bool:
    return any(one.alive for one in containers or ())


def _call(context: WorkerContext, served: Served, spec: ServiceSpec, decide: Decide, lock: int) -> Decision:
    """Look, decide, make at most one call and record it; the service is locked."""
    containers, service = _containers(context, served, spec), spec.name
    with _starting(context) as under_way, context.database.write() as session:
        decision, window = decide(session, service, containers)
        log.info("%s/%s: %s: %s", served.spec.name, service, decision.action, decision.why)
        if decision.action is Action.NONE:
            return decision
        command = _command(served, service, decision)
        begun = _begun(context, served, spec, command, window)
        call = calls.start_call(session, begun, context.database.now())
        under_way(call)
    running = RunningCall(served.spec.name, service, decision.action, forced=decision.forced)
    with (
        context.running.during(running),
        tracing.span(f"compose {command.action}", **_told(begun)) as span,
    ):
        timeout = timeout_of(spec, decision.action, containers)
        run = partial(
            compose.run,
            command,
            timeout,
            lock=lock,
            started=partial(identity.sign, context.me.name, lock),
            cancellation=running.cancellation,
        )
        if command.action is Action.PRE_STOP:
            run = partial(pre_stop.run, command, timeout, run)
        outcome = _make(context, call, command, run)
        span.tell(power__status=str(outcome.status), process__exit__code=outcome.returncode)
    return decision


@contextmanager
def _starting(context: WorkerContext) -> Iterator[Callable[[int], None]]:
    """A call is under way before anybody can see it on record, and not at all where that failed."""
    calls: list[int] = []

    def under_way(call: int) -> None:
        calls.append(call)
        context.under_way.add(call)

    try:
        yield under_way
    except BaseException:
        context.under_way.difference_update(calls)
        raise


def _containers(context: WorkerContext, served: Served, spec: ServiceSpec) -> Seen:
    try:
        # The digest goes on record with the call; a look costs little and the tag may have moved.
        context.digests[spec.image] = context.engine.image(spec.image) if spec.image else ""
        return references.check_references(context.engine, seen_containers(context, served.spec, [spec.name]))
    except negotiation.Unable:
        return None


@dataclass(frozen=True, slots=True)
class _Start:
    """Is a service to be started for one window, as things stand in this transaction?"""

    context: WorkerContext
    served: Served
    window: str

    def __call__(self, session: Session, service: str, containers: Seen) -> tuple[Decision, str | None]:
        stack, spec = self.served.spec.name, self.served.spec.services.get(service)
        row = session.get(Service, (stack, service), with_for_update=True)
        lease = session.get(Lease, (self.window, service))
        now = self.context.database.now()
        if lease is None or spec is None or not _held_by(session, self.window, lease, now):
            return Decision(Action.NONE, "no live window holds it"), None
        here = self.context.location(self.served.spec)
        if not lease.location.agrees(here) or (row and row.owed_outside(here)):
            return Decision(Action.NONE, f"it is held in {lease.location}, and this is {here}"), None
        if containers is None and self.context.engine.fault:
            return Decision(Action.NONE, self.context.engine.fault), None
        if containers is None and lease.tried_at is not None:
            return Decision(Action.NONE, "it was tried for this window already"), None
        if containers is None:
            blind = "a live window holds it, and the engine shows nothing"
            return Decision(Action.UP, blind, keep_running=True), self.window
        if observations.unfinished(row, spec, _alive(containers)):
            containers = [replace(one, severed=one.severed or POST_START_FAILED) for one in containers]
        power, tried = (
            _judged(spec, containers, row, self.context.engine.now()),
            int(lease.tried_at is not None),
        )
        return decisions.on(spec.role, containers, power, spec.replicas, tried), self.window


def _held_by(session: Session, window_id: str, lease: Lease, now: datetime) -> bool:
    window = rows.get(session, window_id)
    return window is not None and window.state == State.OPENING and lease.of(window).live(now)


def _judged(spec: ServiceSpec, containers: Sequence[Container], row: Service | None, now: datetime) -> Power:
    power = judge(spec, containers, wanted=True, now=now).power
    if power is Power.DONE and not (row and row.unsure):
        return Power.OFF  # It ran for an earlier window; for this one it has yet to run.
    return power


@dataclass(frozen=True, slots=True)
class _Stop:
    """Is a service to be stopped, and for which window, as things stand in this transaction?"""

    context: WorkerContext
    served: Served

    def __call__(self, session: Session, service: str, containers: Seen) -> tuple[Decision, str | None]:
        now, stack = self.context.database.now(), self.served.spec.name
        row = session.get(Service, (stack, service), with_for_update=True)
        if row is None or rows.wanted(session, stack, service, now):
            return Decision(Action.NONE, "a live window holds it"), None
        if row.owed_outside(self.context.location(self.served.spec)):
            return Decision(Action.NONE, f"it owes its off in {row.location}"), None
        closing = [window for window in rows.unfinished(session, stack) if _lets_go(window, service)]
        newest = max(closing, key=lambda one: one.created_at, default=None)
        kill = row.failures > 0 or any(one.forced for one in closing)
        decision = decisions.off(self._role(service), containers, owed=row.owed, unsure=row.unsure, kill=kill)
        forced = any(one.forced for one in closing)
        return replace(decision, forced=forced), newest.id if newest else None

    def _role(self, service: str) -> Role:
        """By what this worker read itself, so that no edited row can make it touch core."""
        spec = self.served.spec.services.get(service)
        if service in self.context.core.get(self.served.spec.name, ()):
            return Role.CORE
        return spec.role if spec else Role.NONE


def _lets_go(window: Window, service: str) -> bool:
    return window.state == State.CLOSING and any(lease.service == service for lease in window.leases)


def _command(served: Served, service: str, decision: Decision) -> Command:
    project = served.spec.project
    if decision.action is Action.PRE_STOP:
        return pre_stop.command(served.place, service)
    if decision.action is Action.STOP:
        return compose.stop(project, service)
    if decision.action is Action.KILL:
        return compose.kill(project, service)
    if served.place is None:
        raise ValueError(f"{service} cannot be started: its stack is not served")
    return compose.up(served.place, service, keep_running=decision.keep_running, recreate=decision.recreate)


def timeout_of(spec: ServiceSpec, action: Action, containers: Seen) -> float:
    """A container goes by the grace it was made with, whatever the files have come to say since."""
    if action is Action.UP:
        return spec.up_timeout
    graces = [one.grace + STOP_MARGIN for one in containers or () if one.grace is not None]
    return max([spec.stop_timeout, *graces])


def _begun(
    context: WorkerContext, served: Served, spec: ServiceSpec, command: Command, window: str | None
) -> StartedCall:
    return StartedCall(
        stack=served.spec.name,
        service=spec.name,
        action=command.action,
        argv=command.argv,
        node=context.node,
        worker=context.me.name,
        window=window,
        image=spec.image,
        image_digest=context.digests.get(spec.image, ""),
        config_hash=spec.config_hash,
    )


def _told(begun: StartedCall) -> dict[str, str | int | None]:
    return {
        "power.stack": begun.stack,
        "power.service": begun.service,
        "power.window": begun.window,
        "process.command": " ".join(begun.argv),
    }


def _make(context: WorkerContext, call: int, command: Command, run: Callable[[], CallOutcome]) -> CallOutcome:
    """Make a call that is on record, and put its end on record too."""
    try:
        outcome = run()
        log.info("%s: %s in %d ms", command, outcome.status, outcome.elapsed_ms)
        _record(context, call, outcome)
        return outcome
    finally:
        context.under_way.discard(call)


def _record(context: WorkerContext, call: int, outcome: CallOutcome) -> None:
    """Put a call's end on record or, where the database does not take it, into the journal for later.

    The service is locked meanwhile, so a database that is known to be away is not waited for.
    """
    at = context.snapshot.now()
    if not context.snapshot.away:
        try:
            with context.database.write() as session:
                calls.finish_call(session, call, outcome, context.database.now())
                return
        except SQLAlchemyError as error:
            log.warning("the end of call %d goes to the journal: %s", call, error)
    context.journal.record_outcome(call, outcome, at)
