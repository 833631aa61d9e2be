"""The tables, as typed rows. What they mean is in docs; how they came to be is in migrations.

Leases have no state of their own: a lease lives exactly as long as its window is
live and before its deadline, so desired power is always computed and never stored.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from app.domain.enums import Action, CallStatus, CloseReason, Power, Role, State, Status
from app.domain.leases import HeldLease as LeaseValue
from app.domain.locations import Location
from app.domain.planning import StackSpec

_Big = BigInteger().with_variant(Integer, "sqlite")
LONGEST_MS = 2**31 - 1
"""Milliseconds that a column of 32 bits holds at most, 24 days; whoever writes one cuts it to this."""


class Moment(TypeDecorator[datetime]):
    """UTC with microseconds; a time without a zone is refused, since nobody knows when it is."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Closed = TypeVar("Closed", bound=StrEnum)


class EnumColumn(TypeDecorator[Closed]):
    """A column of closed words, which loads as a member of its enum.

    A word that is none of them, which a newer version or a person may have written, is read as
    `otherwise` and stays in the row as it is: one such row keeps no other from being read.
    """

    impl = String
    cache_ok = True

    def __init__(self, words: type[Closed], otherwise: Closed | None) -> None:
        super().__init__(16)
        self.words, self.otherwise = words, otherwise

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Closed | None:
        if value is None:
            return None
        try:
            return self.words(value)
        except ValueError:
            return self.otherwise


class Table(DeclarativeBase):
    type_annotation_map = {datetime: Moment(), dict[str, Any]: JSON(), list[str]: JSON()}  # noqa: RUF012


class Stack(Table):
    """A stack as its worker published it; `faults` where its last reading was rejected."""

    __tablename__ = "stacks"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    project: Mapped[str] = mapped_column(String(120))
    definition: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    loaded_at: Mapped[datetime]
    faults: Mapped[list[str]] = mapped_column(default=list)
    refused: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    """Why a later change of its files is not in force, while what was good before still is."""
    engine_id: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """The engine on which its worker serves it; empty until that has answered."""

    @property
    def spec(self) -> StackSpec:
        return StackSpec.from_json(self.definition)

    @property
    def location(self) -> Location:
        """Where what is opened on it now runs."""
        return Location(self.project, self.engine_id)


class Service(Table):
    """What one service was last seen doing, and what it still owes."""

    __tablename__ = "services"

    stack: Mapped[str] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    role: Mapped[Role] = mapped_column(EnumColumn(Role, Role.NONE))
    power: Mapped[Power] = mapped_column(EnumColumn(Power, Power.UNKNOWN), default=Power.UNKNOWN)
    ready: Mapped[bool] = mapped_column(default=False)
    detail: Mapped[str] = mapped_column(Text, default="")
    alive: Mapped[bool] = mapped_column(default=False)
    """Does any of its containers run, whatever that amounts to?"""
    observed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    owed: Mapped[bool] = mapped_column(default=False)
    """A window held it since it was last confirmed off, so an off is owed when nobody does."""
    unsure: Mapped[bool] = mapped_column(default=False)
    """An `up` was started since a `stop` last returned 0; it may yet come up by itself."""
    fault: Mapped[str] = mapped_column(Text, default="")
    """Why its last `up` failed, until one succeeds or nobody wants it."""
    start_failed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """That `up` did not end well, which a container that runs all the same does not undo."""
    severed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It runs, but what it refers to by id is gone, or its hook did not end: it has to be made anew."""
    failures: Mapped[int] = mapped_column(default=0)
    """Stops that failed in a row."""
    retry_at: Mapped[datetime | None]
    drift_since: Mapped[datetime | None]
    """Since when its power has differed from what is wanted with nobody waiting for it."""
    project: Mapped[str] = mapped_column(String(120), default="", server_default="")
    engine_id: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """With `project`, where the off is owed; empty where none is, or where that is not known."""

    @property
    def location(self) -> Location:
        return Location(self.project, self.engine_id)

    def owe(self, at: Location) -> None:
        """From now on it owes an off at this location; one that is owed already stays owed where it is."""
        if not self.owed or self.location == Location():
            self.project, self.engine_id = at.project, at.engine_id
        self.owed = True

    def owed_outside(self, here: Location) -> bool:
        """Does it owe its off in another location than this?"""
        return self.owed and not self.location.agrees(here)

    def confirm_off(self) -> None:
        """It is off where it owed that."""
        self.owed, self.project, self.engine_id = False, "", ""


class Window(Table):
    __tablename__ = "windows"
    __table_args__ = (
        Index("windows_by_state", "state", "deadline"),
        Index("windows_newest", "created_at", "id"),
        Index("windows_newest_by_state", "state", "created_at", "id"),
        Index("windows_of_stack", "stack", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stack: Mapped[str] = mapped_column(String(120))
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
    """When a worker last took this window in hand; empty where nobody has yet."""
    waiting_for: Mapped[str | None] = mapped_column(String(16))
    """What a window that waits is waiting for, such as `node`."""

    leases: Mapped[list[Lease]] = relationship(order_by="Lease.wave, Lease.service", lazy="selectin")


class Lease(Table):
    """A window's hold on one service, with what that service was last seen doing under it."""

    __tablename__ = "leases"
    __table_args__ = (Index("leases_of_service", "stack", "service"),)

    window_id: Mapped[str] = mapped_column(ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    stack: Mapped[str] = mapped_column(String(120))
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
        return Location(self.project, self.engine_id)

    def of(self, window: Window) -> LeaseValue:
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

    id: Mapped[int] = mapped_column(_Big, primary_key=True, autoincrement=True)
    window_id: Mapped[str | None] = mapped_column(String(32))
    stack: Mapped[str] = mapped_column(String(120))
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


class Node(Table):
    """A host with an engine and a worker, and when it was last heard of."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    engine_id: Mapped[str] = mapped_column(String(120))
    worker: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Worker(Table):
    """One worker process, what it works with, and when it was last heard of."""

    __tablename__ = "workers"
    __table_args__ = (Index("workers_of_node", "node"),)

    name: Mapped[str] = mapped_column(String(160), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    engine_id: Mapped[str] = mapped_column(String(120))
    locks_id: Mapped[str] = mapped_column(String(64))
    """Tells its lock directory from another; workers of one node share one."""
    stacks: Mapped[list[str]]
    """The stacks it serves."""
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Token(Table):
    """A bearer token; only its SHA-256 is kept."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Wake(Table):
    """A token that is bound to one service's waiting page, and the window it has or had last."""

    __tablename__ = "wakes"

    token: Mapped[str] = mapped_column(String(120), primary_key=True)
    stack: Mapped[str] = mapped_column(String(120))
    service: Mapped[str] = mapped_column(String(120))
    ttl_sec: Mapped[float | None]
    """Seconds that a window lasts after the last request; empty for the stack's default."""
    window_id: Mapped[str | None] = mapped_column(String(32))
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """Windows before this one that failed in a row."""
    agents: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Parts of the names of agents that only look; null for those that are built in …"""
    paths: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """… and so the beginnings of paths."""


class IdempotencyKey(Table):
    """An Idempotency-Key and the window it stands for."""

    __tablename__ = "idempotency_keys"

    token: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body: Mapped[str] = mapped_column(String(64))
    window_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(index=True)


class LogRead(Table):
    """Lines that somebody waits for: asked by the front, written by a worker, gone when they are read."""

    __tablename__ = "log_reads"
    __table_args__ = (Index("log_reads_in_time", "asked_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    window_id: Mapped[str] = mapped_column(String(32))
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


class Entry(Table):
    """One line of the audit trail. It refers to nothing, so nothing that goes takes it along."""

    __tablename__ = "audit"
    __table_args__ = (
        UniqueConstraint("chain", "seq"),
        Index("audit_in_time", "at", "chain", "seq"),
        Index("audit_of_window", "window_id"),
    )

    id: Mapped[int] = mapped_column(_Big, primary_key=True, autoincrement=True)
    chain: Mapped[str] = mapped_column(String(120))
    seq: Mapped[int] = mapped_column(_Big)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(120))
    stack: Mapped[str | None] = mapped_column(String(120))
    window_id: Mapped[str | None] = mapped_column(String(32))
    service: Mapped[str | None] = mapped_column(String(120))
    facts: Mapped[str] = mapped_column(Text)
    """Canonical JSON: kept as text, since the hash is over exactly these characters."""
    prev: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def as_json(self) -> dict[str, Any]:
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
    seq: Mapped[int] = mapped_column(_Big)
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    archived_seq: Mapped[int] = mapped_column(_Big, default=0, server_default="0")
    """Entries up to here are in files and no longer in the database."""
    archived_hash: Mapped[str] = mapped_column(String(64), default="0" * 64, server_default="0" * 64)


class Mark(Table):
    """Something that happened to this database as a whole, and when."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]


class ClockOffset(Table):
    """By how much the house clock is ahead of the database's own; one row, none where they agree."""

    __tablename__ = "house_clock"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    offset_sec: Mapped[float]
    changed_at: Mapped[datetime]


class Boot(Table):
    """When a host was booted, by the house clock, so that a new process on it can carry that on."""

    __tablename__ = "boots"

    boot_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    booted_at: Mapped[datetime]
    noted_at: Mapped[datetime]


class Notice(Table):
    """Something that a sink is to be told: here until it has been, and for a while after."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("node", "sink", "key"), Index("notices_due", "state", "next_at"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    sink: Mapped[str] = mapped_column(String(120))
    key: Mapped[str] = mapped_column(String(300))
    """What it tells of, so that it is noted once: an entry of the trail, or a window's deadline."""
    event: Mapped[str] = mapped_column(String(40))
    stack: Mapped[str] = mapped_column(String(120))
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

    id: Mapped[int] = mapped_column(_Big, primary_key=True, autoincrement=True)
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
    seq: Mapped[int] = mapped_column(_Big)


class Link(Table):
    """A one-tap link: it extends one window once."""

    __tablename__ = "links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the random text in the link."""
    window_id: Mapped[str] = mapped_column(String(32))
    sink: Mapped[str] = mapped_column(String(120))
    ttl_sec: Mapped[float]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Sample(Table):
    """What one service used at one moment, all its containers together."""

    __tablename__ = "samples"
    __table_args__ = (Index("samples_in_time", "at"),)

    stack: Mapped[str] = mapped_column(String(120), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    cpu: Mapped[float]
    """Cores in use, since the sample before."""
    memory: Mapped[int] = mapped_column(_Big)
    """Bytes, without the files that the kernel keeps cached."""


class LoopFailures(Table):
    """How often one loop of a node's workers has failed; it only grows."""

    __tablename__ = "loop_failures"

    node: Mapped[str] = mapped_column(String(120), primary_key=True)
    loop: Mapped[str] = mapped_column(String(40), primary_key=True)
    failures: Mapped[int] = mapped_column(_Big, default=0)


class ConsoleSession(Table):
    """One sign-in to the console. It is valid while a token with `token_digest` is."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the session id, which only the browser's cookie has."""
    token_digest: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def insert_if_new(session: Session, table: type[Table]) -> Any:
    """An INSERT that leaves a row which is there as it is, and waits for one that is being made."""
    postgres = session.get_bind().dialect.name == "postgresql"
    return (postgresql.insert(table) if postgres else sqlite.insert(table)).on_conflict_do_nothing()


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as every answer writes its times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
