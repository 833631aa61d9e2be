"""Describe stacks and their services as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain import stack_mode
from app.domain.enums import Power, Role, State
from app.domain.leases import HeldLease
from app.domain.stack_mode import ServiceStatus
from app.store import services, windows, workers
from app.store.tables import Call, Service, Stack, Window, stamp
from app.web import row_views


def describe_stacks(session: Session, found: Iterable[Stack], now: datetime) -> list[dict[str, Any]]:
    """The stacks with their services, as the API answers them."""
    found = list(found)
    away = workers.away(session, found, now)
    return [_stack(_Scene.of(session, stack, now, away.get(stack.name))) for stack in found]


@dataclass(frozen=True, slots=True)
class _Scene:
    """One stack at one moment, with all that its answer is made from."""

    stack: Stack
    seen: Mapping[str, Service]
    live: list[HeldLease]
    moving: list[Window]
    calls: Mapping[tuple[str, str], Call]
    now: datetime
    away: datetime | None
    """Since when no worker that serves it has sent a heartbeat."""

    @classmethod
    def of(cls, session: Session, stack: Stack, now: datetime, away: datetime | None) -> _Scene:
        return cls(
            stack=stack,
            seen=services.of(session, stack.name),
            live=windows.live_leases(session, [stack.name], now),
            moving=windows.moving_of(session, stack.name),
            calls=services.last_calls(session, [stack.name]),
            now=now,
            away=away,
        )

    @property
    def held(self) -> set[str]:
        return {lease.service for lease in self.live}

    def standing(self, name: str, role: Role) -> ServiceStatus:
        row = self.seen.get(name)
        if row is None:
            return ServiceStatus(role, Power.UNKNOWN)
        return ServiceStatus(
            role,
            Power(row.power),
            alive=row.alive,
            held=name in self.held,
            awaited=any(lease.service == name for window in self.moving for lease in window.leases),
            owed=row.owed,
            missed=row.drift_since is not None and not row.alive and name in self.held,
            failures=row.failures,
        )


def _stack(scene: _Scene) -> dict[str, Any]:
    roles = {name: spec.role for name, spec in scene.stack.spec.services.items()}
    # What was held once and is listed no more may still be there to be stopped.
    roles |= {name: Role.NONE for name, row in scene.seen.items() if name not in roles and row.alive}
    states = {State(window.state) for window in scene.moving}
    standings = [scene.standing(name, role) for name, role in roles.items()]
    said = {
        "name": scene.stack.name,
        "mode": stack_mode.mode(standings, states, rejected=bool(scene.stack.faults)),
        "node": scene.stack.node,
        "away": scene.away is not None,
        "away_since": stamp(scene.away) if scene.away else None,
        "services": [_service(scene, name, role) for name, role in sorted(roles.items(), key=_in_order)],
    }
    told = {"faults": scene.stack.faults, "refused": scene.stack.refused}
    return said | {name: lines for name, lines in told.items() if lines}


def _in_order(named: tuple[str, Role]) -> tuple[int, str]:
    return list(Role).index(named[1]), named[0]


def _power(scene: _Scene, row: Service | None) -> dict[str, Any]:
    if scene.away:
        return row_views.unheard(scene.stack.node, scene.away)
    if row is None:
        return {"power": Power.UNKNOWN, "ready": False, "detail": ""}
    return {"power": row.power, "ready": row.ready, "detail": row.detail}


def _service(scene: _Scene, name: str, role: Role) -> dict[str, Any]:
    row, call = scene.seen.get(name), scene.calls.get((scene.stack.name, name))
    live = [lease for lease in scene.live if lease.service == name]
    ends = max((lease.deadline for lease in live), default=None)
    return {
        "name": name,
        "role": role,
        **_power(scene, row),
        "holders": [lease.window for lease in live],
        "time_left_sec": row_views.number(round((ends - scene.now).total_seconds(), 3)) if ends else None,
        "last_call": row_views.call(call) if call else None,
        "drift": _drift(row, scene.standing(name, role)),
        "failed_stops": row.failures if row else 0,
        "retry_at": stamp(row.retry_at) if row and row.retry_at else None,
    }


def _drift(row: Service | None, service: ServiceStatus) -> dict[str, Any] | None:
    """Why its power is not what is wanted though nobody waits for it, and since when that is on record."""
    if row is None or not stack_mode.strays(service):
        return None
    return {"since": stamp(row.drift_since) if row.drift_since else None, "why": stack_mode.why(service)}
