"""Rows as JSON values, as the contract defines them. They are plain values for speed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from app.domain.enums import Action, CallStatus, Power, State
from app.store.tables import Call, Window, stamp
from app.usecases.windows.open import OpeningPlan

_LIVE = {State.WAITING, State.OPENING, State.OPEN}


def window(
    row: Window,
    calls: Iterable[Call],
    now: datetime,
    once_ready: Collection[str] = (),
    away: datetime | None = None,
) -> dict[str, Any]:
    """A window as JSON.

    `once_ready` are services that were ready under the window at any time, although their leases do not say
    so. `away` is the time of the last heartbeat of a node that is away, whose services are unknown.
    """
    waits = {"waiting_for": row.waiting_for} if row.waiting_for else {}
    return waits | {
        "id": row.id,
        "stack": row.stack,
        "services": row.services,
        "state": row.state,
        "status": row.status,
        "actor": row.actor,
        "reason": row.reason,
        "created_at": stamp(row.created_at),
        "opened_at": _stamp(row.opened_at),
        "deadline": stamp(row.deadline),
        "ttl_sec": number(row.ttl_sec),
        "ttl_remaining_sec": remaining(row.state, row.deadline, now),
        "closed_at": _stamp(row.closed_at),
        "close_reason": row.close_reason,
        "closed_by": row.closed_by,
        "close_detail": row.close_detail,
        "stuck": row.stuck,
        "health": {
            lease.service: unknown_health(row.node, away)
            if away
            else {"power": lease.power, "ready": lease.ready, "detail": lease.detail}
            for lease in row.leases
        },
        "results": results(row, calls, once_ready),
    }


def unknown_health(node: str, since: datetime) -> dict[str, Any]:
    """The state of a service whose node is away: unknown, since the last one may be out of date."""
    return {
        "power": Power.UNKNOWN,
        "ready": False,
        "detail": f"node {node} has not been heard of since {stamp(since)}",
    }


def remaining(state: str, deadline: datetime, now: datetime) -> float:
    """Seconds until the deadline; 0 for a window that has ended or is ending."""
    if state not in _LIVE:
        return 0
    return number(max(0.0, round((deadline - now).total_seconds(), 3)))


def results(row: Window, calls: Iterable[Call], once_ready: Collection[str] = ()) -> list[dict[str, Any]]:
    """The calls for each leased service, without those for shared networks; `none` where it ran already."""
    leased = {lease.service for lease in row.leases}
    window_calls = [one for one in calls if one.service in leased and one.action != Action.SHARE]
    brought_up = {one.service for one in window_calls if one.action == Action.UP}
    ready = {lease.service for lease in row.leases if lease.ready} | {*once_ready}
    idle = [lease.service for lease in row.leases if lease.service in ready - brought_up]
    return [_ran_already(name, row) for name in idle] + [call(one) for one in window_calls]


def _ran_already(service: str, row: Window) -> dict[str, Any]:
    return {
        "service": service,
        "action": Action.NONE,
        "status": CallStatus.OK,
        "returncode": None,
        "elapsed_ms": 0,
        "stdout": "",
        "stderr": "",
        "argv": [],
        "timestamp": stamp(row.opening_at or row.created_at),
        "blind": False,
    }


def call(row: Call) -> dict[str, Any]:
    """A compose call as JSON."""
    return {
        "service": row.service,
        "action": row.action,
        "status": row.status,
        "returncode": row.returncode,
        "elapsed_ms": row.elapsed_ms,
        "stdout": row.stdout,
        "stderr": row.stderr,
        "argv": row.argv,
        "timestamp": stamp(row.finished_at or row.started_at),
        "blind": row.blind,
    }


def number(value: float) -> float:
    """The value, as an integer where it is whole, so that JSON has no `.0`."""
    return int(value) if value.is_integer() else value


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def opening_plan(plan: OpeningPlan) -> dict[str, Any]:
    """The plan of an opening as JSON."""
    return {
        "stack": plan.stack,
        "services": plan.services,
        "ttl_sec": number(plan.ttl_sec),
        "waves": plan.waves,
        "already_on": plan.already_on,
        "missing_images": plan.missing_images,
    }
