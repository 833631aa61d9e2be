"""Describe stacks and their services as JSON values."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain import call_output, stack_mode
from app.domain.enums import Power, Role, State
from app.domain.errors import UnknownStack
from app.domain.leases import HeldLease
from app.domain.stack_id import StackId
from app.domain.stack_mode import ServiceStatus
from app.domain.windows import LIVE
from app.store import services, stacks, windows, workers
from app.store.tables import Call, Service, Stack, Window, stamp
from app.web import diagnosis_views, problems, row_views
from app.web.authentication import Caller
from app.web.problems import ApiError
from app.web.viewing import current_viewer


def require_stack(session: Session, caller: Caller, name: str) -> Stack:
    """The stack of this name in a path; raises ApiError."""
    try:
        if "\0" in name:
            raise UnknownStack(name, stacks.names(session))
        return stacks.chosen(session, caller.stack_id(name))
    except UnknownStack as unknown:
        raise ApiError(problems.NO_SUCH_STACK, str(unknown), **unknown.facts) from unknown


def describe_stacks(session: Session, rows: Iterable[Stack], now: datetime) -> list[dict[str, Any]]:
    """The stacks with their services as JSON."""
    rows = list(rows)
    away = workers.away(session, rows, now)
    return [_stack(_StackView.of(session, stack, now, away.get(stack.name))) for stack in rows]


@dataclass(frozen=True, slots=True)
class _StackView:
    """The rows that the JSON of one stack is made from."""

    stack: Stack
    services: Mapping[str, Service]
    live: list[HeldLease]
    moving: list[Window]
    calls: Mapping[tuple[StackId, str], Call]
    now: datetime
    away: datetime | None
    """The time since which no worker that serves it has sent a heartbeat; None while one does."""
    diagnoses: Mapping[str, dict[str, Any]]
    """Why services fail; under an empty name, why the stack's files were refused."""

    @classmethod
    def of(cls, session: Session, stack: Stack, now: datetime, away: datetime | None) -> _StackView:
        rows = services.of(session, stack.name)
        live = windows.live_leases(session, [stack.name], now)
        return cls(
            stack=stack,
            services=rows,
            live=live,
            moving=windows.moving_of(session, stack.name),
            calls=services.last_calls(session, [stack.name]),
            now=now,
            away=away,
            diagnoses=diagnosis_views.of_failing(
                session, stack.name, rows, live, refused=bool(stack.faults or stack.refused)
            ),
        )

    @property
    def held(self) -> set[str]:
        return {lease.service for lease in self.live}

    def awaited_by(self, service: Service) -> str:
        """What a held service that is off waits for, or how it ended; empty where no window says so."""
        if service.power != Power.OFF:
            return ""
        live = [window for window in self.moving if window.state in LIVE]
        details = [one.detail for window in live for one in window.leases if one.service == service.name]
        return next(filter(None, details), "")

    def status(self, name: str, role: Role) -> ServiceStatus:
        row = self.services.get(name)
        if row is None:
            return ServiceStatus(role, Power.UNKNOWN)
        return ServiceStatus(
            role,
            Power(row.power),
            alive=row.alive,
            held=name in self.held,
            awaited=any(lease.service == name for window in self.moving for lease in window.leases),
            stop_pending=row.stop_pending,
            missed=row.drift_since is not None and not row.alive and name in self.held,
            failures=row.failures,
        )


def _stack(view: _StackView) -> dict[str, Any]:
    roles = {name: spec.role for name, spec in view.stack.spec.services.items()}
    # A service that power.toml no longer lists may still run and have to be stopped.
    roles |= {name: Role.NONE for name, row in view.services.items() if name not in roles and row.alive}
    states = {State(window.state) for window in view.moving}
    statuses = [view.status(name, role) for name, role in roles.items()]
    payload = {
        "name": view.stack.name,
        "mode": stack_mode.mode(statuses, states, rejected=bool(view.stack.faults)),
        "node": view.stack.node,
        "away": view.away is not None,
        "away_since": stamp(view.away) if view.away else None,
        "services": [_service(view, name, role) for name, role in sorted(roles.items(), key=_in_order)],
    }
    if namespace := current_viewer().namespace:
        payload["namespace"] = namespace
    file_faults = {"faults": view.stack.faults, "refused": view.stack.refused}
    payload |= {name: lines for name, lines in file_faults.items() if lines}
    refusal = view.diagnoses.get("") if any(file_faults.values()) else None
    # The faults themselves say more than that no rule knows a cause.
    is_known = refusal is not None and any(cause.get("rule") for cause in refusal["causes"])
    return payload | ({"diagnosis": refusal} if is_known else {})


def _in_order(named: tuple[str, Role]) -> tuple[int, str]:
    return list(Role).index(named[1]), named[0]


def _power(view: _StackView, row: Service | None) -> dict[str, Any]:
    if view.away:
        return row_views.unknown_health(view.stack.node, view.away)
    if row is None:
        return {"power": Power.UNKNOWN, "ready": False, "detail": ""}
    return {"power": row.power, "ready": row.ready, "detail": row.detail or view.awaited_by(row)}


def _service(view: _StackView, name: str, role: Role) -> dict[str, Any]:
    row, call = view.services.get(name), view.calls.get((view.stack.name, name))
    live = [lease for lease in view.live if lease.service == name]
    ends = max((lease.deadline for lease in live), default=None)
    return {
        "name": name,
        "role": role,
        **_power(view, row),
        "holders": [lease.window for lease in live],
        "time_left_sec": row_views.number(round((ends - view.now).total_seconds(), 3)) if ends else None,
        "last_call": row_views.call(call) if call else None,
        "outdated": bool(row and row.outdated),
        "missing_image": _missing_image(view, row),
        "drift": _drift(view.stack.project, row, view.status(name, role)),
        "failed_stops": row.failures if row else 0,
        "retry_at": stamp(row.retry_at) if row and row.retry_at else None,
        **({"diagnosis": diagnosis} if (diagnosis := view.diagnoses.get(name)) else {}),
    }


def _missing_image(view: _StackView, row: Service | None) -> str | None:
    spec = view.stack.spec.services.get(row.name) if row and row.image_missing else None
    return call_output.missing_image(spec.image, view.stack.project, spec.name) if spec else None


def _drift(project: str, row: Service | None, service: ServiceStatus) -> dict[str, Any] | None:
    """Why the power differs from the desired one with no window waiting for it, and since when."""
    if row is None or not stack_mode.strays(service):
        return None
    why = stack_mode.why(service)
    if service.role is Role.CORE:
        # Core is never started by this program, so a person has to.
        why = f"{why} (start it: {shlex.join(['docker', 'compose', '-p', project, 'up', '-d', row.name])})"
    return {"since": stamp(row.drift_since) if row.drift_since else None, "why": why}
