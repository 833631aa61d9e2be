"""Which windows of a stack are open, have failed or are over, by the power of their services.

Call `settle` after any observation or call result of the stack. It judges all unfinished windows
of the stack, whichever service changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain import decisions, dependencies, windows
from app.domain.dependencies import DependencyStatus, Gate, Way
from app.domain.enums import CallStatus, CloseReason, Event, Power, Role, State, Status
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.windows import ServiceHealth
from app.store import audit, services
from app.store.tables import Call, Lease, Service, Window
from app.usecases.windows.expire import expire
from app.usecases.windows.transitions import SYSTEM_ACTOR, advance, record_entry

STUCK_AFTER = 3
"""Failed stops in a row (the second and later ones are kills) after which a window is stuck."""
_WITHOUT_END = {CallStatus.RUNNING, CallStatus.LOST}


@dataclass(frozen=True, slots=True)
class StackSituation:
    """One stack at one moment: what it is, what is seen of it, and which services live leases hold."""

    session: Session
    spec: StackSpec
    seen: Mapping[str, Service]
    windows: Sequence[Window]
    now: datetime

    @property
    def held(self) -> set[str]:
        """The services that a live lease holds."""
        return {
            one.service for window in self.windows for one in window.leases if one.of(window).live(self.now)
        }

    @property
    def awaited(self) -> set[str]:
        """The services of every unfinished window."""
        return {lease.service for window in self.windows for lease in window.leases}


def settle(situation: StackSituation) -> list[str]:
    """Move on every unfinished window of a stack that can move on; return the ids of those that changed."""
    return [window.id for window in situation.windows if _settle(situation, window)]


def _settle(situation: StackSituation, window: Window) -> bool:
    before = (window.state, window.status, window.stuck)
    if window.state in windows.LIVE and window.deadline <= situation.now:
        # The first transaction that sees it closes it, whether or not that is the sweep.
        expire(situation.session, window, situation.now)
    healths = {lease.service: _note(situation, window, lease) for lease in window.leases}
    asked = [healths[lease.service] for lease in window.leases if lease.asked]
    if window.state == State.OPENING:
        along = [healths[lease.service] for lease in window.leases if not lease.asked]
        _opening(situation.session, window, asked, along, situation.now)
    elif window.state == State.OPEN:
        window.status = windows.present_status(healths.values())
    elif window.state == State.CLOSING:
        _closing(situation, window)
    return before != (window.state, window.status, window.stuck)


def _opening(
    session: Session, window: Window, asked: list[ServiceHealth], along: list[ServiceHealth], now: datetime
) -> None:
    status = windows.status(asked, along)
    if status is None:
        return
    window.status = status
    if status is Status.FAIL:
        why = "; ".join(f"{health.service}: {health.detail}" for health in asked)
        came_up = any(health.ready or health.power is Power.STARTING for health in along)
        why = f"{'did not come up' if came_up else 'nothing came up'}: {why}"[:500]
        advance(
            session,
            window,
            State.CLOSING,
            actor=SYSTEM_ACTOR,
            now=now,
            reason=CloseReason.FAILED,
            detail=why,
        )
    else:
        advance(session, window, State.OPEN, actor=SYSTEM_ACTOR, now=now)


def _closing(situation: StackSituation, window: Window) -> None:
    session, now, held = situation.session, situation.now, situation.held
    left = [lease for lease in window.leases if _owes(lease, situation.seen, held)]
    if not left:
        advance(session, window, State.CLOSED, actor=SYSTEM_ACTOR, now=now)
    elif window.forced and all(lease.killed for lease in left):
        names = ", ".join(lease.service for lease in left)
        detail = f"{window.close_detail or 'forced'}; not confirmed off: {names}"
        advance(session, window, State.CLOSED, actor=SYSTEM_ACTOR, now=now, detail=detail)
    else:
        _stuck(session, window, [situation.seen[lease.service] for lease in left], now)


def _owes(lease: Lease, seen: Mapping[str, Service], held: set[str]) -> bool:
    row = seen.get(lease.service)
    # Core is not stopped, so no window waits for it.
    return row is not None and lease.service not in held and row.stop_pending and row.role != Role.CORE


def _stuck(session: Session, window: Window, left: list[Service], now: datetime) -> None:
    failing = {row.name: row.failures for row in left if row.failures >= STUCK_AFTER}
    if failing and not window.stuck:
        last = services.last_calls(session, [window.stack])
        last_errors = {name: _last_stop_output(last.get((window.stack, name))) for name in failing}
        audit.record(
            session,
            Event.WINDOW_STUCK,
            actor=SYSTEM_ACTOR,
            now=now,
            stack=window.stack,
            window=window.id,
            failed_stops=failing,
            last_errors=last_errors,
        )
    window.stuck = bool(failing)


def _last_stop_output(call: Call | None) -> str:
    """The output of a service's last stop or, without one, how it ended."""
    if call is None:
        return ""
    # A call whose end was not seen has printed its progress only.
    printed = "" if call.status in _WITHOUT_END else call.stderr.strip() or call.stdout.strip()
    return printed or f"{call.action}: {call.status}"


def _note(situation: StackSituation, window: Window, lease: Lease) -> ServiceHealth:
    """Store the health of a service in its lease; record an event when it becomes ready or failing."""
    health = _health(situation.spec, situation.seen, window, lease)
    event = _health_event(lease, health) if window.state in windows.LIVE else None
    lease.power, lease.ready, lease.detail = health.power, health.ready, health.detail
    if health.ready and lease.ready_at is None:
        lease.ready_at = situation.now
    if event:
        facts = {"power": health.power, "detail": health.detail}
        record_entry(
            situation.session, window, event, SYSTEM_ACTOR, situation.now, service=lease.service, **facts
        )
    return health


def _health_event(lease: Lease, health: ServiceHealth) -> Event | None:
    if health.ready and not lease.ready:
        return Event.SERVICE_READY
    if health.power is Power.FAILING and lease.power != Power.FAILING:
        return Event.SERVICE_FAILING
    return None


def _health(spec: StackSpec, seen: Mapping[str, Service], window: Window, lease: Lease) -> ServiceHealth:
    row = seen.get(lease.service)
    if row is None:
        return ServiceHealth(lease.service, Power.OFF, ready=False)
    plain = ServiceHealth(row.name, Power(row.power), row.ready, row.detail)
    if window.state not in windows.LIVE:
        return replace(plain, detail=_refusing(row)) if row.stop_pending and row.failures else plain
    if row.ready:
        return plain
    gate = gate_of(spec, seen, window, lease)
    lease.blocked = gate.why if gate.way is Way.SHUT else ""
    if gate.way is Way.SHUT and not row.alive:
        return ServiceHealth(row.name, Power.FAILING, ready=False, detail=gate.why)
    if window.state == State.OPEN or (row.alive and not _to_recreate(row, lease)):
        return replace(plain, detail=plain.detail or _explain_gone(row, lease))
    return _beginning(row, lease, gate, plain)


def _to_recreate(row: Service, lease: Lease) -> bool:
    """Whether it runs and has to be recreated, and this window has not done so yet."""
    return row.severed and lease.tried_at is None


def _explain_gone(row: Service, lease: Lease) -> str:
    ran = lease.ready_at is not None and row.power == Power.OFF
    return "it ran, and its container is gone" if ran else ""


def _refusing(row: Service) -> str:
    tries = "1 stop has failed" if row.failures == 1 else f"{row.failures} stops have failed"
    again = f", tried again at {row.retry_at:%H:%M:%S} UTC" if row.retry_at else ""
    return f"{tries}{again}"


def _beginning(row: Service, lease: Lease, gate: Gate, plain: ServiceHealth) -> ServiceHealth:
    """A service of an opening window that does not run: not yet, being looked at, or not any more."""
    if _to_recreate(row, lease):
        return ServiceHealth(row.name, Power.STARTING, ready=False, detail=f"is made anew: {row.detail}")
    if lease.tried_at is None:
        power = Power.STARTING if row.power == Power.STARTING else Power.OFF
        return ServiceHealth(row.name, power, ready=False, detail=gate.why)
    if row.observed_at is None or row.observed_at <= lease.tried_at:
        return ServiceHealth(row.name, Power.STARTING, ready=False, detail="being looked at")
    if row.fault:
        return ServiceHealth(row.name, Power.FAILING, ready=False, detail=row.fault)
    if row.power == Power.OFF:
        return ServiceHealth(
            row.name, Power.FAILING, ready=False, detail="it was started, and its container is gone"
        )
    return plain


def gate_of(spec: StackSpec, seen: Mapping[str, Service], window: Window, lease: Lease) -> Gate:
    """Whether a leased service may start by its dependencies and, if not, why."""
    if lease.service not in spec.services:
        return Gate(Way.SHUT, f"{lease.service} is no longer a service of {spec.name}")
    leases = {one.service: one for one in window.leases}

    def standing(name: str) -> DependencyStatus | None:
        return _standing(spec, name, seen.get(name), leases.get(name))

    return dependencies.gate(spec, lease.service, standing)


def _standing(
    spec: StackSpec, name: str, row: Service | None, lease: Lease | None
) -> DependencyStatus | None:
    if spec.services[name].role is Role.CORE:
        if row is None:
            return DependencyStatus(Power.UNKNOWN, alive=False)
        return DependencyStatus(Power(row.power), alive=row.alive, over=True, detail=row.detail)
    if lease is None or row is None:
        return None
    if _to_recreate(row, lease):
        # What it is now says nothing of what it will be, and nothing can share it until then.
        return DependencyStatus(Power.STARTING, alive=False, detail=row.detail)
    begun = lease.tried_at is not None and not row.fault
    return DependencyStatus(
        Power(row.power), row.alive, begun, _over(row, lease), lease.blocked or row.fault or row.detail
    )


def _over(row: Service, lease: Lease) -> bool:
    """Nothing more is to be expected of this one: it is blocked, or it was tried and has failed."""
    if lease.blocked:
        return True
    if row.alive:
        return row.power == Power.FAILING
    seen_since = lease.tried_at and row.observed_at and row.observed_at > lease.tried_at
    return bool(seen_since) and not row.ready


def startable(spec: StackSpec, seen: Mapping[str, Service], window: Window) -> list[str]:
    """Return the services of an opening window that can start now: not tried, no unready dependency."""
    return [
        lease.service
        for lease in window.leases
        if lease.tried_at is None and _idle(seen.get(lease.service)) and _open(spec, seen, window, lease)
    ]


def _idle(row: Service | None) -> bool:
    return row is None or row.severed or not (row.alive or row.ready)


def _open(spec: StackSpec, seen: Mapping[str, Service], window: Window, lease: Lease) -> bool:
    return gate_of(spec, seen, window, lease).way is Way.OPEN


def stoppable(spec: StackSpec, seen: Mapping[str, Service], held: set[str], now: datetime) -> list[str]:
    """The services whose stop is pending, which no live lease holds, and which may stop now."""
    here = Location(spec.project)
    pending_stops = {
        name: decisions.PendingStop(row.failures, row.retry_at, row.unsure)
        for name, row in seen.items()
        if row.stop_pending
        and row.role != Role.CORE
        and name not in held
        and not row.has_stop_pending_outside(here)
    }
    return decisions.in_turn(spec, pending_stops, now)
