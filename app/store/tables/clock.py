"""The shared clock's offset, and when each host was booted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Table


class ClockOffset(Table):
    """By how much the shared clock is ahead of the database's own; one row, none where they agree."""

    __tablename__ = "house_clock"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    offset_sec: Mapped[float]
    changed_at: Mapped[datetime]


class Boot(Table):
    """When a host was booted, by the shared clock, so that a new process on it can carry that on."""

    __tablename__ = "boots"

    boot_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    booted_at: Mapped[datetime]
    noted_at: Mapped[datetime]
