"""Sessions and the shared clock, on SQLite or PostgreSQL with one behaviour.

`write()` takes the write lock at once, so that two writers queue rather than
collide; `read()` sees one moment. `now()` is the shared clock (`app.store.clock`), so hosts
may disagree about the time, or set it, and deadlines do not move.

A database that hangs is away: every query ends with an answer or, within
PATIENCE and a few seconds, with one of AWAY.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, func, make_url, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.host.boot_clock import boot_clock, boot_id
from app.store import audit, clock_offset
from app.store.clock import ClockReading, SharedClock

log = logging.getLogger(__name__)

OUTAGE_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""The exceptions that are raised while the database does not answer."""

SILENCE_SECONDS = 15.0
"""Seconds that a database may be silent, or another writer at work, before it counts as away."""


RECHECK = 1.0
"""Seconds after which it is checked again whether a database that could not be used can be."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FILE_FAULTS = (*_DAMAGE, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL)
"""Errors after which what SQLite has mapped of its files may be wrong, and is let go."""


class DatabaseUnusable(OperationalError):
    """The database is there and must not be used: it is damaged, or at another schema. Counts as away."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, None, Exception(reason))
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def is_outage(error: Exception) -> bool:
    """Can the database not be read or written? False where it only refused one statement for its values."""
    refused = isinstance(error, DataError | IntegrityError)
    return isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and not refused)


class Database:
    """The database as one process uses it; its threads share it."""

    def __init__(
        self,
        url: str,
        *,
        source: Callable[[], datetime] | None = None,
        elapsed: Callable[[], float] = boot_clock,
        boot: str | None = None,
    ) -> None:
        """`source` tells the time in place of the database's own clock, `elapsed` the seconds since boot."""
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url) if self.sqlite else _postgres(url)
        if self.sqlite:
            event.listen(self.engine, "handle_error", self._damage, retval=True)
        self._unusable: str | None = None
        self._check_again: Callable[[], None] | None = None
        self._check_at = 0.0
        self._writing = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        # SQLite's readers have a snapshot by themselves; PostgreSQL's need an isolation level for that.
        self._reading = (
            self.engine if self.sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        # One writer at a time per process keeps SQLite's own queue, and so the slowest commit, short.
        self._turn = threading.Lock() if self.sqlite else None
        self._source = source or (_host_now if self.sqlite else None)
        self.boot = boot_id() if boot is None else boot
        self.clock = SharedClock(self._read_clock, elapsed)

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Session]:
        """A session that sees one moment and changes nothing.

        `patient` is for the few that may take long, such as verifying the whole trail.
        """
        self._require_usable()
        with Session(self._reading, expire_on_commit=False) as session:
            if patient and not self.sqlite:
                _take_your_time(session)
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed with its audit entries at the end, or rolled back on an exception."""
        self._require_usable()
        with self._in_turn(), Session(self._writing, expire_on_commit=False) as session:
            # SQLite takes the write lock here, before anything is read.
            session.connection()
            yield session
            session.flush()
            audit.write_down(session)
            session.commit()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        # Where the file is locked by a process that hangs, those behind each other give up together.
        if not self._turn.acquire(timeout=SILENCE_SECONDS):
            raise PoolTimeout(f"no turn to write came within {SILENCE_SECONDS:g} s")
        try:
            yield
        finally:
            self._turn.release()

    def refuse(self, reason: str, check: Callable[[], None] | None = None) -> None:
        """Refuse to use this database, and log why once; with `check`, until `check` raises nothing."""
        if self._unusable is None:
            log.error("the database cannot be used: %s", reason)
        self._unusable, self._check_again = reason, check
        self._check_at = time.monotonic() + RECHECK

    @property
    def unusable(self) -> str | None:
        """Why this database is not used, or None."""
        return self._unusable

    def _require_usable(self) -> None:
        if self._unusable is not None and not self._is_mended():
            raise DatabaseUnusable(self._unusable)

    def _is_mended(self) -> bool:
        if self._check_again is None or time.monotonic() < self._check_at:
            return False
        self._check_at = time.monotonic() + RECHECK
        try:
            self._check_again()
        except Exception:  # noqa: BLE001 - after any error the database cannot be used yet
            return False
        log.warning("the database can be used again")
        self._unusable = self._check_again = None
        return True

    def _damage(self, context: ExceptionContext) -> DatabaseUnusable | None:
        """The exception to raise where SQLite reports a damaged file, which is not used from then on.

        What is read from it may be wrong, and what is written to it makes it worse.

        All connections are closed, since a damaged index of the log (`-shm`) can lead SQLite to map it
        in 32 KiB pieces until the process may map no more (`vm.max_map_count`); from then on no thread
        starts. The mappings go with the last connection.
        """
        error = context.original_exception
        if isinstance(error, MemoryError) or _primary_code(error) in _FILE_FAULTS:
            context.is_disconnect = True
            _close_cursor(context)
            self.engine.dispose()
        return self.damage_of(error)

    def damage_of(self, error: BaseException) -> DatabaseUnusable | None:
        """The same for an error of SQLite's own, from a connection that is not one of these."""
        if _primary_code(error) not in _DAMAGE:
            return None
        self.engine.dispose()
        reason = f"{self.url.database} is damaged: {error}"
        self.refuse(reason)
        return DatabaseUnusable(reason)

    def now(self) -> datetime:
        """The time by the shared clock (`app.store.clock`)."""
        return self.clock.now()

    def extrapolate(self) -> datetime | None:
        """The last answer plus the time since, without waiting; None where there was none yet."""
        return self.clock.extrapolate()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def reading(self, session: Session) -> ClockReading:
        """The time by the database's own clock, read within a transaction."""
        return clock_offset.reading(session, self._source_now(session.connection()), self.boot)

    def _read_clock(self) -> ClockReading:
        with self.engine.connect() as connection:
            source = self._source_now(connection)
            try:
                return clock_offset.reading(connection, source, self.boot)
            except DBAPIError as error:
                if clock_offset.is_unknown(error):
                    return ClockReading(source)
                raise

    def _source_now(self, connection: Connection) -> datetime:
        if self._source:
            return self._source()
        source_time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return source_time.astimezone(UTC)


def _host_now() -> datetime:
    return datetime.now(UTC)


def _close_cursor(context: ExceptionContext) -> None:
    """Drop what a failed statement still holds: SQLite closes a connection only after its last statement."""
    cursor = context.execution_context.cursor if context.execution_context else None
    if cursor is not None:
        with suppress(sqlite3.Error, MemoryError):
            cursor.close()


def _primary_code(error: BaseException) -> int:
    """SQLite's result code without its extension; 0 for an error that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=56,
        pool_timeout=10,
        connect_args={"check_same_thread": False, "timeout": 10},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # We say BEGIN ourselves; the driver would say it too late.
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _postgres(url: str) -> Engine:
    # Its driver is a few megabytes, of no use on SQLite.
    from app.store import postgres

    return postgres.engine(url, SILENCE_SECONDS)


def _take_your_time(session: Session) -> None:
    from app.store import postgres

    postgres.lift_timeout(session)
