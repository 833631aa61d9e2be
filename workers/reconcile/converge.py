"""Make one service's actual power equal its desired power.

Everything that changes the engine goes through `converge`. Under the service's lock it inspects
the containers, lets `Decide` decide in a transaction, makes at most one compose call and records
its result. Where another worker holds the lock, `converge` returns at once. It does not wait until
a service is ready.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import tracing
from app.domain.calls import CallOutcome, StartedCall
from app.domain.decisions import Decision
from app.domain.enums import Action
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container
from app.store import locks
from app.usecases.reconciliation import calls
from workers.engine import compose, negotiation, references
from workers.engine.compose import Command
from workers.reconcile import diagnosis_requests, pre_stop
from workers.reconcile.inspect import seen_containers
from workers.stacks.service_durations import STOP_MARGIN
from workers.stacks.stack_reader import Served
from workers.state import identity
from workers.state.context import WorkerContext
from workers.state.live_output import LiveOutput
from workers.state.running_calls import RunningCall

log = logging.getLogger(__name__)

Seen = Sequence[Container] | None
"""A service's containers; None while the engine does not answer."""
Decide = Callable[[Session, str, Seen], tuple[Decision, str | None]]
"""What to do about a service, and for which window."""


def converge(context: WorkerContext, served: Served, service: str, decide: Decide) -> bool:
    """Under the service's lock: inspect, decide, make at most one call, record it.

    If that call ran `pre_stop` hooks, inspect and decide once more. Returns True if the row of the
    service is out of date after that.
    """
    spec = served.spec.services.get(service) or ServiceSpec(service)
    with locks.hold_lock(context.lock_dir, served.spec.project, service) as lock:
        if lock is None:
            return False
        decision = _call(context, served, spec, _HooksFirst(decide, spec), lock)
        if decision.action is Action.PRE_STOP:
            _call(context, served, spec, decide, lock)
        return decision.action is not Action.NONE or decision.outdated


@dataclass(frozen=True, slots=True)
class _HooksFirst:
    """Return the decision about a service, with its hooks before its stop."""

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
        begun = started_call(context, served, spec, command, window)
        call = calls.start_call(session, begun, context.database.now())
        under_way(call)
    output = LiveOutput(served.spec.project)
    running = RunningCall(call, served.spec.name, service, decision.action, output, forced=decision.forced)
    with (
        context.running.during(running),
        tracing.span(f"compose {command.action}", **_attributes(begun)) as span,
    ):
        timeout = timeout_of(spec, decision.action, containers)
        run = partial(
            compose.run,
            command,
            timeout,
            lock=lock,
            started=partial(identity.sign, context.me.name, lock),
            cancellation=running.cancellation,
            print_text=output.add,
        )
        if command.action is Action.PRE_STOP:
            run = partial(pre_stop.run, command, timeout, run)
        outcome = _make(context, call, command, run)
        span.tell(power__status=str(outcome.status), process__exit__code=outcome.returncode)
    diagnosis_requests.after_call(
        context, served.spec.name, service, containers, action=command.action, outcome=outcome
    )
    return decision


@contextmanager
def _starting(context: WorkerContext) -> Iterator[Callable[[int], None]]:
    """Note a call as under way before its row is committed, and no longer where the commit fails."""
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
        # The digest is recorded with the call. Reading it costs little, and the tag may have moved.
        context.digests[spec.image] = context.engine.image(spec.image) if spec.image else ""
        return references.check_references(context.engine, seen_containers(context, served.spec, [spec.name]))
    except negotiation.Unable:
        return None


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
    """A container keeps the grace period that it was created with, even if the files have changed since."""
    if action is Action.UP:
        return spec.up_timeout
    graces = [one.grace + STOP_MARGIN for one in containers or () if one.grace is not None]
    return max([spec.stop_timeout, *graces])


def started_call(
    context: WorkerContext, served: Served, spec: ServiceSpec, command: Command, window: str | None
) -> StartedCall:
    """The record of a call of this worker that is about to be made."""
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


def _attributes(begun: StartedCall) -> dict[str, str | int | None]:
    """What a trace says of a call."""
    return {
        "power.stack": begun.stack,
        "power.service": begun.service,
        "power.window": begun.window,
        "process.command": " ".join(begun.argv),
    }


def _make(context: WorkerContext, call: int, command: Command, run: Callable[[], CallOutcome]) -> CallOutcome:
    """Make a call whose beginning is recorded, and record its end."""
    try:
        outcome = run()
        log.info("%s: %s in %d ms", command, outcome.status, outcome.elapsed_ms)
        _record(context, call, outcome)
        return outcome
    finally:
        context.under_way.discard(call)


def _record(context: WorkerContext, call: int, outcome: CallOutcome) -> None:
    """Record a call's end; where the database does not take it, write it to the journal for later.

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
