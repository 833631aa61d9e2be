"""Notifications, their deliveries, and how far each sink has read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import BigId, Table


class Notice(Table):
    """A notification for one sink; the row stays for a while after it was delivered or given up."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("node", "sink", "key"), Index("notices_due", "state", "next_at"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    sink: Mapped[str] = mapped_column(String(120))
    key: Mapped[str] = mapped_column(String(300))
    """The audit entry or the deadline that it is about, so that each is written once."""
    event: Mapped[str] = mapped_column(String(40))
    stack: Mapped[StackId] = mapped_column(String(120))
    window_id: Mapped[str | None] = mapped_column(String(32))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    """`pending`, `delivered`, or `given_up`."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Delivery(Table):
    """One attempt to hand over a notice."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    notice_id: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime]
    elapsed_ms: Mapped[int]
    ok: Mapped[bool]
    said: Mapped[str] = mapped_column(String(300))


class NoticePlace(Table):
    """Up to where a sink has taken in a chain of the trail."""

    __tablename__ = "notice_places"

    node: Mapped[str] = mapped_column(String(120), primary_key=True)
    sink: Mapped[str] = mapped_column(String(120), primary_key=True)
    chain: Mapped[str] = mapped_column(String(120), primary_key=True)
    seq: Mapped[int] = mapped_column(BigId)
