"""Describe diagnoses as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.domain.leases import HeldLease
from app.domain.stack_id import StackId
from app.store import diagnoses, windows
from app.store.tables import Diagnosis, Service, Window, stamp


def describe_diagnosis(row: Diagnosis) -> dict[str, Any]:
    """One diagnosis, as the API answers it."""
    return {
        "stack": row.stack,
        "service": row.service,
        "window": row.window_id,
        "at": stamp(row.at),
        "causes": row.causes,
    }


def describe_service(session: Session, stack: StackId, service: Service | None, name: str) -> dict[str, Any]:
    """The newest diagnosis of a service, of the windows that hold it now where there are any.

    It has no causes where the service is ready or has been ready since.
    """
    row = diagnoses.newest(session, stack, [name]).get(name)
    held = {
        one.id for one in windows.moving_of(session, stack) if name in {lease.service for lease in one.leases}
    }
    is_old = row is None or (held and row.window_id not in held)
    if (
        is_old
        or row is None
        or (service and service.ready)
        or windows.ready_since(session, stack, name, row.at)
    ):
        return {"stack": stack, "service": name, "window": None, "at": None, "causes": []}
    return describe_diagnosis(row)


def of_failing(
    session: Session, stack: StackId, seen: Mapping[str, Service], live: Iterable[HeldLease], *, refused: bool
) -> dict[str, dict[str, Any]]:
    """By service: the newest diagnosis of each that fails now; under "" that of refused files.

    A service that live windows hold has a diagnosis of one of them. Such a service that never started, since
    it waits for another that failed, has one, too.
    """
    failing = {name for name, row in seen.items() if not row.ready and (row.power == "failing" or row.fault)}
    names = failing | ({""} if refused else set())
    idle = {name for name, row in seen.items() if not row.ready and not row.alive} - failing
    held_by: dict[str, set[str | None]] = {}
    for lease in live:
        held_by.setdefault(lease.service, set()).add(lease.window)
    waiting = idle & held_by.keys()
    rows = diagnoses.newest(session, stack, names | waiting) if names | waiting else {}
    return {
        name: describe_diagnosis(row)
        for name, row in rows.items()
        if (name in names and name not in held_by) or row.window_id in held_by.get(name, ())
    }


def of_windows(session: Session, windows: Sequence[Window]) -> dict[str, dict[str, dict[str, Any]]]:
    """By window and service: why the service failed while the window held it."""
    return {
        window: {name: describe_diagnosis(row) for name, row in rows.items()}
        for window, rows in diagnoses.of_windows(session, windows).items()
    }
