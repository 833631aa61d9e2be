"""Named queries about why services failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from app.store.tables import Diagnosis, Window

DIAGNOSIS_RETENTION = timedelta(days=14)
"""How long a diagnosis is kept that belongs to no window."""


def record(
    session: Session,
    *,
    stack: str,
    service: str,
    window: str | None,
    node: str,
    causes: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Keep a diagnosis. It replaces an earlier one of the same service and window."""
    same = (Diagnosis.stack == stack) & (Diagnosis.service == service)
    held = Diagnosis.window_id == window if window else Diagnosis.window_id.is_(None)
    session.execute(delete(Diagnosis).where(same, held))
    session.add(
        Diagnosis(
            stack=stack,
            service=service,
            window_id=window,
            node=node,
            at=now,
            causes=[dict(one) for one in causes],
        )
    )


def newest(session: Session, stack: str, services: Collection[str]) -> dict[str, Diagnosis]:
    """The newest diagnosis of each of these services, where there is one."""
    ids = (
        select(func.max(Diagnosis.id))
        .where(Diagnosis.stack == stack, Diagnosis.service.in_(services))
        .group_by(Diagnosis.service)
    )
    rows = session.scalars(select(Diagnosis).where(Diagnosis.id.in_(ids)))
    return {row.service: row for row in rows}


def of_windows(session: Session, windows: Sequence[Window]) -> dict[str, dict[str, Diagnosis]]:
    """By window and service: the newest diagnosis that was made of it while the window held it."""
    if not windows:
        return {}
    found: dict[str, dict[str, Diagnosis]] = {window.id: {} for window in windows}
    for row in session.scalars(select(Diagnosis).where(or_(*map(_made_for, windows))).order_by(Diagnosis.id)):
        for window in windows:
            if _belongs(row, window):
                found[window.id][row.service] = row
    return found


def _made_for(window: Window) -> Any:
    names = [lease.service for lease in window.leases]
    held = [
        Diagnosis.stack == window.stack,
        Diagnosis.service.in_(names),
        Diagnosis.at >= window.created_at,
    ]
    if window.closed_at:
        held.append(Diagnosis.at <= window.closed_at)
    return or_(Diagnosis.window_id == window.id, and_(*held))


def _belongs(row: Diagnosis, window: Window) -> bool:
    if row.window_id == window.id:
        return True
    named = row.stack == window.stack and row.service in {lease.service for lease in window.leases}
    return named and window.created_at <= row.at and (window.closed_at is None or row.at <= window.closed_at)


def forget(session: Session, before: datetime) -> None:
    """Delete diagnoses made before this time that belong to no window that is kept."""
    kept = select(Window.id)
    old = Diagnosis.at < before
    session.execute(
        delete(Diagnosis).where(old, or_(Diagnosis.window_id.is_(None), Diagnosis.window_id.not_in(kept)))
    )
