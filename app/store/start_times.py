"""How long services took to become ready in earlier windows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.stack_id import StackId
from app.store.tables import Lease, Window

_NEWEST = 20
_PERIOD = timedelta(days=30)


def usual_seconds(
    session: Session, stack: StackId, services: Iterable[str], now: datetime
) -> dict[str, float]:
    """The median of the seconds from the beginning of an opening until each service was ready.

    Only windows count that started the service, of the newest 20 within 30 days. A service that none started
    is left out.
    """
    seconds = {name: _seconds(session, stack, name, now) for name in services}
    return {name: median(those) for name, those in seconds.items() if those}


def _seconds(session: Session, stack: StackId, service: str, now: datetime) -> list[float]:
    query = (
        select(Window.opening_at, Lease.ready_at)
        .join(Window, Window.id == Lease.window_id)
        .where(
            Lease.stack == stack,
            Lease.service == service,
            Lease.tried > 0,
            Lease.ready_at.is_not(None),
            Window.created_at > now - _PERIOD,
        )
        .order_by(Window.created_at.desc())
        .limit(_NEWEST)
    )
    return [(ready - began).total_seconds() for began, ready in session.execute(query) if began and ready]
