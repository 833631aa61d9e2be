"""Named queries about why services failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from app.domain.stack_id import StackId
from app.store.tables import Diagnosis, Window

DIAGNOSIS_RETENTION = timedelta(days=14)
"""How long a diagnosis is kept that belongs to no window."""


def record(
    session: Session,
    *,
    stack: StackId,
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


def causes_of(session: Session, stack: StackId, service: str, window: str | None) -> list[dict[str, Any]]:
    """The stored causes of the newest diagnosis of a service under this window, or under none."""
    held = Diagnosis.window_id == window if window else Diagnosis.window_id.is_(None)
    query = select(Diagnosis.causes).where(Diagnosis.stack == stack, Diagnosis.service == service, held)
    return session.scalar(query.order_by(Diagnosis.id.desc()).limit(1)) or []


def newest(session: Session, stack: StackId, services: Collection[str]) -> dict[str, Diagnosis]:
    """The newest diagnosis of each of these services, where there is one."""
    ids = (
        select(func.max(Diagnosis.id))
        .where(Diagnosis.stack == stack, Diagnosis.service.in_(services))
        .group_by(Diagnosis.service)
    )
    rows = session.scalars(select(Diagnosis).where(Diagnosis.id.in_(ids)))
    return {row.service: row for row in rows}


def of_windows(session: Session, windows: Sequence[Window]) -> dict[str, dict[str, Diagnosis]]:
    """By window and service: the newest diagnosis that was made of it while the window held it.

    One that was made for another window counts where that window began later and shares the service.
    """
    if not windows:
        return {}
    diagnoses: dict[str, dict[str, Diagnosis]] = {window.id: {} for window in windows}
    query = select(Diagnosis).where(
        Diagnosis.stack.in_({window.stack for window in windows}),
        Diagnosis.at >= min(window.created_at for window in windows),
    )
    by_stack: dict[str, list[Diagnosis]] = {}
    for row in session.scalars(query.order_by(Diagnosis.id)):
        by_stack.setdefault(row.stack, []).append(row)
    began = _beginnings(session, [row for rows in by_stack.values() for row in rows])
    for window in windows:
        diagnoses[window.id] |= {
            row.service: row for row in by_stack.get(window.stack, ()) if _belongs(row, window, began)
        }
    return diagnoses


def _beginnings(session: Session, rows: Sequence[Diagnosis]) -> dict[str, datetime]:
    """When the windows of these diagnoses were asked for, by id."""
    ids = {row.window_id for row in rows if row.window_id}
    query = select(Window.id, Window.created_at).where(Window.id.in_(ids))
    return {row.id: row.created_at for row in session.execute(query)} if ids else {}


def _belongs(row: Diagnosis, window: Window, began: Mapping[str, datetime]) -> bool:
    if row.window_id == window.id:
        return True
    if row.window_id and began.get(row.window_id, window.created_at) <= window.created_at:
        return False
    named = row.stack == window.stack and row.service in {lease.service for lease in window.leases}
    return named and window.created_at <= row.at and (window.closed_at is None or row.at <= window.closed_at)


def forget(session: Session, before: datetime) -> None:
    """Delete diagnoses made before this time that belong to no window that is kept."""
    window_ids = select(Window.id)
    old = Diagnosis.at < before
    session.execute(
        delete(Diagnosis).where(
            old, or_(Diagnosis.window_id.is_(None), Diagnosis.window_id.not_in(window_ids))
        )
    )
