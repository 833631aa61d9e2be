"""Windows, their leases, the calls made for them, and idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.enums import Action, CallStatus, CloseReason, Power, State, Status
from app.domain.leases import HeldLease as LeaseValue
from app.domain.locations import Location
from app.domain.stack_id import StackId
from app.store.tables.base import BigId, EnumColumn, Table


class Window(Table):
    """A window: who asked for which services, until when, and how it ended."""

    __tablename__ = "windows"
    __table_args__ = (
        Index("windows_by_state", "state", "deadline"),
        Index("windows_newest", "created_at", "id"),
        Index("windows_newest_by_state", "state", "created_at", "id"),
        Index("windows_of_stack", "stack", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    node: Mapped[str] = mapped_column(String(120))
    state: Mapped[State] = mapped_column(EnumColumn(State, State.CLOSED))
    status: Mapped[Status | None] = mapped_column(EnumColumn(Status, None))
    actor: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str | None] = mapped_column(Text)
    services: Mapped[list[str]]
    ttl_sec: Mapped[float]
    created_at: Mapped[datetime]
    opening_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    deadline: Mapped[datetime]
    closing_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[CloseReason | None] = mapped_column(EnumColumn(CloseReason, None))
    closed_by: Mapped[str | None] = mapped_column(String(120))
    """The actor who began its closing, or forced it later."""
    close_detail: Mapped[str | None] = mapped_column(Text)
    """Why it ends, as a sentence for people."""
    forced: Mapped[bool] = mapped_column(default=False)
    stuck: Mapped[bool] = mapped_column(default=False)
    attended_at: Mapped[datetime | None]
    """When a worker last attended to this window; empty where none has since it moved."""
    waiting_for: Mapped[str | None] = mapped_column(String(16))
    """What a window that waits is waiting for, such as `node`."""

    leases: Mapped[list[Lease]] = relationship(order_by="Lease.wave, Lease.service", lazy="selectin")


class Lease(Table):
    """A window's hold on one service, with what that service was last seen doing under it."""

    __tablename__ = "leases"
    __table_args__ = (Index("leases_of_service", "stack", "service"),)

    window_id: Mapped[str] = mapped_column(ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    wave: Mapped[int]
    asked: Mapped[bool]
    """False for a dependency that was opened along."""
    tried: Mapped[int] = mapped_column(default=0)
    """Calls this window has made to bring it up."""
    tried_at: Mapped[datetime | None]
    killed: Mapped[bool] = mapped_column(default=False)
    """A forced close has made its attempt."""
    blocked: Mapped[str] = mapped_column(Text, default="")
    """The dependency that keeps it from starting, in words."""
    power: Mapped[Power] = mapped_column(EnumColumn(Power, Power.UNKNOWN), default=Power.OFF)
    ready: Mapped[bool] = mapped_column(default=False)
    ready_at: Mapped[datetime | None]
    """When it was first ready under this window; empty where it never was."""
    detail: Mapped[str] = mapped_column(Text, default="")
    project: Mapped[str] = mapped_column(String(120), default="", server_default="")
    engine_id: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """With `project`, where the service is held."""

    @property
    def location(self) -> Location:
        """Where its containers were started."""
        return Location(self.project, self.engine_id)

    def of(self, window: Window) -> LeaseValue:
        """The lease as a value, with the state and deadline of its window."""
        return LeaseValue(window.id, self.service, State(window.state), window.deadline)


class Call(Table):
    """One executed compose command. Its output is cut to the first 500 characters."""

    __tablename__ = "calls"
    __table_args__ = (
        Index("calls_of_window", "window_id", "id"),
        Index("calls_of_service", "stack", "service", "id"),
        Index("calls_running", "status", "node"),
        Index("calls_of_journal", "journal_id", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    window_id: Mapped[str | None] = mapped_column(String(32))
    stack: Mapped[StackId] = mapped_column(String(120))
    service: Mapped[str] = mapped_column(String(120))
    node: Mapped[str] = mapped_column(String(120))
    worker: Mapped[str] = mapped_column(String(120))
    action: Mapped[Action] = mapped_column(EnumColumn(Action, Action.NONE))
    argv: Mapped[list[str]]
    status: Mapped[CallStatus] = mapped_column(
        EnumColumn(CallStatus, CallStatus.LOST), default=CallStatus.RUNNING
    )
    returncode: Mapped[int | None]
    elapsed_ms: Mapped[int | None]
    stdout: Mapped[str] = mapped_column(Text, default="")
    stderr: Mapped[str] = mapped_column(Text, default="")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    journal_id: Mapped[str | None] = mapped_column(String(64))
    """The line of a worker's journal that this call came from, so that none is taken in twice."""
    blind: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Made while the database was away, by what the worker last knew."""


class IdempotencyKey(Table):
    """An Idempotency-Key and the window it stands for."""

    __tablename__ = "idempotency_keys"

    token: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body: Mapped[str] = mapped_column(String(64))
    window_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(index=True)


class LogRead(Table):
    """A request for log lines: written by the web server, answered by a worker, deleted when it is read."""

    __tablename__ = "log_reads"
    __table_args__ = (Index("log_reads_in_time", "asked_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    window_id: Mapped[str] = mapped_column(String(32))
    """The window whose services are read; an empty text where `stack` is set."""
    stack: Mapped[StackId | None] = mapped_column(String(120))
    """The stack whose services are read, whether or not a window holds them."""
    node: Mapped[str] = mapped_column(String(120))
    services: Mapped[list[str]]
    tail: Mapped[int]
    after: Mapped[dict[str, Any]]
    """By container, the time of the last line that is known already."""
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON(), default=list)
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Why there is nothing of a service, by its name."""
