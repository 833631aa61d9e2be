"""The audit trail: entries, the heads of their chains, and marks of what was cut or restored."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import BigId, Table, stamp


class Entry(Table):
    """One entry of the audit trail. It has no foreign key, so no deletion of another row deletes it."""

    __tablename__ = "audit"
    __table_args__ = (
        UniqueConstraint("chain", "seq"),
        Index("audit_in_time", "at", "chain", "seq"),
        Index("audit_of_window", "window_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    chain: Mapped[str] = mapped_column(String(120))
    seq: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(120))
    stack: Mapped[StackId | None] = mapped_column(String(120))
    window_id: Mapped[str | None] = mapped_column(String(32))
    service: Mapped[str | None] = mapped_column(String(120))
    facts: Mapped[str] = mapped_column(Text)
    """Canonical JSON: kept as text, since the hash is over exactly these characters."""
    prev: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def as_json(self) -> dict[str, Any]:
        """The entry as the API answers it."""
        return {
            "seq": self.seq,
            "at": stamp(self.at),
            "event": self.event,
            "actor": self.actor,
            "stack": self.stack,
            "window": self.window_id,
            "service": self.service,
            "facts": json.loads(self.facts),
            "prev": self.prev,
            "hash": self.hash,
        }


class ChainHead(Table):
    """The last entry of one chain; locking it is what keeps a chain from forking."""

    __tablename__ = "audit_heads"

    chain: Mapped[str] = mapped_column(String(120), primary_key=True)
    seq: Mapped[int] = mapped_column(BigId)
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    archived_seq: Mapped[int] = mapped_column(BigId, default=0, server_default="0")
    """Entries up to here are in files and no longer in the database."""
    archived_hash: Mapped[str] = mapped_column(String(64), default="0" * 64, server_default="0" * 64)


class Mark(Table):
    """Something that happened to this database as a whole, and when."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
