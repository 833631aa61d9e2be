"""Drift: actual power differs from what is wanted, and no window is waiting for it.

The first inspection that sees it records it once, with its beginning and its end.
What a person has started is stopped only where the stack has `drift = "stop"`. Core is never stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain import stack_mode
from app.domain.enums import Action, CallStatus, Event, Power, Role, State
from app.domain.planning import StackSpec
from app.domain.stack_mode import ServiceStatus
from app.store import audit, services
from app.store.tables import Call, Service, Window, stamp
from app.usecases.windows.transitions import SYSTEM_ACTOR

CAME_LATE = "its last start was cut off, and the engine went on with it; no hand did"
LATE = timedelta(minutes=2)
"""For so long after a start that did not end well, what runs without a window is that start's doing."""
REVIVED = "the engine started it again by its restart policy; no hand did"
_OFF = {Action.STOP, Action.KILL}


@dataclass(frozen=True, slots=True)
class Holds:
    """Who holds what of a stack at one moment, as far as drift is concerned."""

    windows: Sequence[Window]
    held: Collection[str]
    awaited: Collection[str]
    now: datetime

    def standing(self, row: Service) -> ServiceStatus:
        """The facts that decide about drift: role, power, and whether a window holds or awaits it."""
        return ServiceStatus(
            Role(row.role),
            Power(row.power),
            alive=row.alive,
            held=row.name in self.held,
            awaited=row.name in self.awaited,
            stop_pending=row.stop_pending,
            missed=bool(self.missing(row)),
            failures=row.failures,
        )

    def missing(self, row: Service) -> list[str]:
        """The open windows under which it was ready, and now runs no more; none while one is opening."""
        if row.alive or row.power in {Power.STARTING, Power.STOPPING, Power.UNKNOWN, Power.DONE}:
            return []
        live = [
            (window, lease)
            for window in self.windows
            for lease in window.leases
            if lease.service == row.name and lease.of(window).live(self.now)
        ]
        if any(window.state == State.OPENING for window, _lease in live):
            return []
        return [window.id for window, lease in live if lease.ready_at]


def find(
    session: Session, spec: StackSpec, seen: Mapping[str, Service], holds: Holds, ours: Mapping[str, str]
) -> None:
    """Record where drift has begun or ended, and mark the stops that the stack's setting asks for."""
    for row in seen.values():
        standing = holds.standing(row)
        if stack_mode.drifts(standing):
            _begin(session, row, holds, ours.get(row.name) or stack_mode.why(standing))
            if _to_be_stopped(spec, row, standing, holds.now):
                row.mark_stop_pending(services.location(session, row))
        elif row.drift_since is not None and not _is_undecided(standing):
            _end(session, row, standing, holds.now)


def grace_ends(spec: StackSpec, seen: Mapping[str, Service], now: datetime) -> dict[str, datetime]:
    """When the grace of each running drift ends, by service. No event says that it is to be stopped then."""
    if spec.drift != "stop":
        return {}
    ends = {
        name: row.drift_since + timedelta(seconds=spec.grace)
        for name, row in seen.items()
        if row.drift_since and row.alive and row.role == Role.ALLOWED and not row.stop_pending
    }
    return {name: end for name, end in ends.items() if end > now}


def is_back(row: Service) -> bool:
    """Does it run though it was confirmed off, and may be stopped?"""
    return row.alive and not row.stop_pending and row.role == Role.ALLOWED


def why_ours(session: Session, row: Service, revived: bool, now: datetime) -> str:
    """Return why a stop of a running service is pending again; empty if a person started it."""
    if revived:
        return REVIVED
    new = row.drift_since is None
    return CAME_LATE if new and services.cut_off_since(session, row.stack, row.name, now - LATE) else ""


def _is_undecided(service: ServiceStatus) -> bool:
    """Is it unknown whether this drift has ended? The engine does not answer, or core is starting again."""
    if service.power is Power.UNKNOWN:
        return not (service.held or service.awaited)
    return service.role is Role.CORE and service.power is Power.STARTING


def _begin(session: Session, row: Service, holds: Holds, why: str) -> None:
    if row.drift_since is not None:
        return
    row.drift_since = holds.now
    missing = holds.missing(row)
    facts = {"role": row.role, "power": row.power, "detail": row.detail, "why": why}
    holding = {"windows": missing} if missing else {}
    _say(session, Event.DRIFT_FOUND, row, holds.now, next(iter(missing), None), **facts, **holding)


def _end(session: Session, row: Service, service: ServiceStatus, now: datetime) -> None:
    last = services.last_calls(session, [row.stack]).get((row.stack, row.name))
    if last and last.status == CallStatus.RUNNING:
        # An event can arrive before its call ends. The end of the call shows whether it ended this drift.
        return
    facts = {"role": row.role, "power": row.power, "since": stamp(row.drift_since) if row.drift_since else ""}
    if _stopped_by_us(row, last):
        _say(session, Event.DRIFT_STOPPED, row, now, **facts)
    else:
        _say(session, Event.DRIFT_ENDED, row, now, **facts, why=stack_mode.why_ended(service))
    row.drift_since = None


def _to_be_stopped(spec: StackSpec, row: Service, service: ServiceStatus, now: datetime) -> bool:
    since = row.drift_since
    if spec.drift != "stop" or since is None or service.missed:
        return False
    return row.role == Role.ALLOWED and now - since >= timedelta(seconds=spec.grace)


def _stopped_by_us(row: Service, last: Call | None) -> bool:
    since = row.drift_since
    return bool(
        last
        and since
        and not row.alive
        and last.action in _OFF
        and last.status != CallStatus.FAIL
        and last.started_at >= since
    )


def _say(
    session: Session, event: Event, row: Service, now: datetime, window: str | None = None, **facts: object
) -> None:
    audit.record(
        session, event, actor=SYSTEM_ACTOR, now=now, stack=row.stack, service=row.name, window=window, **facts
    )
