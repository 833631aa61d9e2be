"""The stored part of the shared clock: its offset, and the boot time of each host."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.domain.enums import State
from app.store.clock import ClockReading
from app.store.tables import (
    Boot,
    ClockOffset,
    IdempotencyKey,
    LogRead,
    Node,
    Notice,
    Service,
    Window,
    Worker,
    insert_if_new,
)

_NAME = "house"
_FORGOTTEN = timedelta(days=30)
"""A boot that no process has noted for so long is forgotten."""


def reading(connection: Connection | Session, source: datetime, boot_id: str) -> ClockReading:
    """The stored offset and boot time of this host, beside `source`, the time of the database's own clock."""
    offset, booted_at, worker, node = connection.execute(_stored_boot(boot_id)).one()
    return ClockReading(
        source,
        timedelta(seconds=offset or 0.0),
        booted_at,
        max((at for at in (worker, node) if at), default=None),
    )


def _stored_boot(boot_id: str) -> Any:
    return select(
        select(ClockOffset.offset_sec).where(ClockOffset.name == _NAME).scalar_subquery(),
        select(Boot.booted_at).where(Boot.boot_id == boot_id).scalar_subquery(),
        select(func.max(Worker.seen_at)).scalar_subquery(),
        select(func.max(Node.seen_at)).scalar_subquery(),
    )


def is_unknown(error: DBAPIError) -> bool:
    """Was the database asked that has no such tables yet, since it is an older release's?"""
    return ClockOffset.__tablename__ in str(error.orig)


def lock_offset(session: Session, now: datetime) -> ClockOffset:
    """The offset, made where there is none, and locked until the transaction ends."""
    session.execute(insert_if_new(session, ClockOffset).values(name=_NAME, offset_sec=0.0, changed_at=now))
    return session.get_one(ClockOffset, _NAME, with_for_update=True, populate_existing=True)


def offset(session: Session) -> float:
    """Seconds that the shared clock is ahead of the database's own."""
    row = session.get(ClockOffset, _NAME)
    return row.offset_sec if row else 0.0


def note_boot(session: Session, boot_id: str, booted_at: datetime, now: datetime) -> None:
    """Store when this host was booted, by the shared clock, and delete old rows."""
    session.merge(Boot(boot_id=boot_id, booted_at=booted_at, noted_at=now))
    session.execute(delete(Boot).where(Boot.noted_at < now - _FORGOTTEN))


_MOMENTS = (
    *(Node.started_at, Node.seen_at, Worker.started_at, Worker.seen_at),
    *(Service.observed_at, Service.changed_at, Service.drift_since),
    *(Notice.next_at, IdempotencyKey.created_at, LogRead.asked_at),
)
"""Times that something is counted from, or waits for, besides those of windows."""


def nothing_after(session: Session, now: datetime) -> None:
    """Set stored times that lie in the future to now, and delete the boot times of hosts."""
    session.execute(delete(Boot))
    for moment in _MOMENTS:
        session.execute(update(moment.class_).where(moment > now).values({moment: now}))


def is_idle(session: Session) -> bool:
    """Is there no window that has not closed, and no pending stop?"""
    unfinished = select(Window.id).where(
        Window.state.in_((State.WAITING, State.OPENING, State.OPEN, State.CLOSING))
    )
    pending_stops = select(Service.name).where(Service.stop_pending)
    return session.scalar(unfinished.limit(1)) is None and session.scalar(pending_stops.limit(1)) is None
