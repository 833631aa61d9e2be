"""Whether one service is to be started or stopped now, and for which window.

A worker reads the state of the service from the engine, then calls these functions inside the transaction
that also records the call. So the decision holds at the moment when the call is recorded:

    next_starts, next_stops       services of a window or a stack whose call may be made now
    start_decision, stop_decision one service, with its lock held and its containers inspected
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain import decisions
from app.domain.decisions import Decision
from app.domain.enums import Action, Power, Role, State
from app.domain.leases import HeldLease
from app.domain.locations import Location
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.readiness import Container, judge
from app.domain.stack_id import StackId
from app.store import services
from app.store import windows as rows
from app.store.tables import Lease, Service, Window
from app.usecases.reconciliation import observations
from app.usecases.windows.settle import StackSituation, startable, stoppable

POST_START_FAILED = "its post_start hook did not end well"
"""Why a container that runs is made anew."""
NOT_HELD = Decision(Action.NONE, "no live window holds it")
STILL_HELD = Decision(Action.NONE, "a live window holds it")
TRIED = Decision(Action.NONE, "it was tried for this window already")
BLIND_START = Decision(Action.UP, "a live window holds it, and the engine shows nothing", keep_running=True)


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """The engine's answer about one service, and where the calls of this worker act.

    `containers` is None while the engine does not answer. `fault` is the reason why this engine cannot be
    used at all, else empty. `at` is the time of the engine's clock.
    """

    containers: Sequence[Container] | None
    location: Location
    at: datetime
    fault: str = ""

    @property
    def alive(self) -> bool:
        """True where a container of the service is known to run."""
        return any(one.alive for one in self.containers or ())


@dataclass(frozen=True, slots=True)
class DueCalls:
    """The services whose call may be made now, and all services that the window or windows hold."""

    names: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    leases: list[HeldLease] = field(default_factory=list)
    """The leases of `names`; empty for stops."""

    @property
    def others(self) -> set[str]:
        """The services that are held and have no call to be made now."""
        return self.held - set(self.names)


def next_starts(session: Session, spec: StackSpec, window_id: str, now: datetime) -> DueCalls:
    """Return the services of an opening window that may start now; mark the window as attended."""
    window = rows.get(session, window_id)
    if window is None:
        return DueCalls()
    rows.touch(session, window_id, now)
    held = {lease.service for lease in window.leases}
    if window.state != State.OPENING or window.deadline <= now:
        return DueCalls(held=held)
    names = startable(spec, services.of(session, spec.name), window)
    return DueCalls(names, held, [lease.of(window) for lease in window.leases if lease.service in names])


def next_stops(session: Session, spec: StackSpec, now: datetime) -> DueCalls:
    """Return the services of a stack that may stop now; mark its closing windows as attended."""
    unfinished = rows.unfinished_windows(session, spec.name)
    situation = StackSituation(session, spec, services.of(session, spec.name), unfinished, now)
    closing = [window for window in unfinished if window.state == State.CLOSING]
    for window in closing:
        window.attended_at = now
    names = stoppable(spec, situation.seen, situation.held, now)
    return DueCalls(names, {lease.service for window in closing for lease in window.leases})


def start_decision(
    session: Session, spec: StackSpec, service: str, window_id: str, answer: EngineAnswer, *, now: datetime
) -> tuple[Decision, str | None]:
    """Decide whether to start a service for one window; return that window's id with a start."""
    row = session.get(Service, (spec.name, service), with_for_update=True)
    lease, defined = session.get(Lease, (window_id, service)), spec.services.get(service)
    if lease is None or defined is None or not is_opening(session, window_id, lease, now):
        return NOT_HELD, None
    here = answer.location
    if not lease.location.agrees(here) or (row and row.has_stop_pending_outside(here)):
        return Decision(Action.NONE, f"it is held in {lease.location}, and this is {here}"), None
    if answer.containers is None:
        return _decide_blind(lease, answer)
    containers = answer.containers
    if observations.is_start_unfinished(row, defined, answer.alive):
        containers = [replace(one, severed=one.severed or POST_START_FAILED) for one in containers]
    power = _power(defined, containers, row, answer.at)
    tried = int(lease.tried_at is not None)
    return decisions.decide_start(defined.role, containers, power, defined.replicas, tried), window_id


def is_opening(session: Session, window_id: str, lease: Lease, now: datetime) -> bool:
    """True while the window is opening and its lease on the service is live."""
    window = rows.get(session, window_id)
    return window is not None and window.state == State.OPENING and lease.of(window).live(now)


def _decide_blind(lease: Lease, answer: EngineAnswer) -> tuple[Decision, str | None]:
    """Without an answer of the engine: one start for each window, and none on an engine that is refused."""
    if answer.fault:
        return Decision(Action.NONE, answer.fault), None
    if lease.tried_at is not None:
        return TRIED, None
    return BLIND_START, lease.window_id


def _power(spec: ServiceSpec, containers: Sequence[Container], row: Service | None, at: datetime) -> Power:
    power = judge(spec, containers, wanted=True, now=at).power
    if power is Power.DONE and not (row and row.unsure):
        return Power.OFF  # It ran for an earlier window; for this one it has yet to run.
    return power


def stop_decision(
    session: Session, stack: StackId, service: str, role: Role, answer: EngineAnswer, *, now: datetime
) -> tuple[Decision, str | None]:
    """Decide whether to stop a service; return the id of the newest window that lets it go.

    `role` is what the worker read in its own files, so that no edited row can make it stop core.
    """
    row = session.get(Service, (stack, service), with_for_update=True)
    if row is None or rows.is_wanted(session, stack, service, now):
        return STILL_HELD, None
    if row.has_stop_pending_outside(answer.location):
        return Decision(Action.NONE, f"it owes its off in {row.location}"), None
    closing = [window for window in rows.unfinished_windows(session, stack) if _is_releasing(window, service)]
    forced = any(window.forced for window in closing)
    decision = decisions.decide_stop(
        role,
        answer.containers,
        stop_pending=row.stop_pending,
        unsure=row.unsure,
        kill=forced or row.failures > 0,
    )
    newest = max(closing, key=lambda window: window.created_at, default=None)
    return replace(decision, forced=forced), newest.id if newest else None


def _is_releasing(window: Window, service: str) -> bool:
    return window.state == State.CLOSING and any(lease.service == service for lease in window.leases)
