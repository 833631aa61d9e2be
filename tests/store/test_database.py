"""One behaviour on two databases: what is written is written whole, and one moment is read."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from app.domain.enums import Event
from app.store import audit, tokens
from app.store.database import Database
from app.store.tables import Node, stamp
from tests.databases import Databases

ROOT = Path(__file__).parents[2]
NOON = datetime(2030, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def node(name: str = "local", at: datetime = NOON) -> Node:
    return Node(name=name, engine_id="e", worker="w", started_at=at, seen_at=at)


def test_an_exception_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(database)
    with database.read() as session:
        assert session.get(Node, "local") is None
        assert audit.entries(session) == []
    with database.write() as session:
        session.add(node())


def _write_and_fail(database: Database) -> None:
    with database.write() as session:
        session.add(node())
        audit.record(session, Event.REFUSED, actor="ada", now=NOON)
        session.flush()
        raise ZeroDivisionError


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="no time zone"), database.write() as session:
        session.add(node(at=datetime(2030, 5, 1, 12)))  # noqa: DTZ001


def test_a_time_comes_back_in_utc_to_the_microsecond(database: Database) -> None:
    with database.write() as session:
        session.add(node(at=NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    with database.read() as session:
        stored = session.get(Node, "local")
    assert stored
    assert (stored.seen_at, stored.seen_at.tzinfo) == (NOON, UTC)
    assert stamp(stored.seen_at) == "2030-05-01T12:00:00.123Z"


def test_a_reader_sees_one_moment(database: Database, database_url: str) -> None:
    other = Database(database_url)
    count = text("SELECT count(*) FROM nodes")
    with database.read() as session:
        assert session.scalar(count) == 0
        with other.write() as writing:
            writing.add(node())
        assert session.scalar(count) == 0
    with database.read() as session:
        assert session.scalar(count) == 1
    other.close()


def test_an_unknown_or_a_replaced_token_has_no_bearer(database: Database) -> None:
    with database.write() as session:
        first = tokens.create(session, "ada", NOON)
    with database.write() as session:
        second = tokens.create(session, "ada", NOON)
    with database.read() as session:
        assert tokens.bearer(session, first) is None
        assert tokens.bearer(session, "") is None
        token = tokens.bearer(session, second)
        assert token
        assert (token.name, second in token.digest) == ("ada", False)


def test_sqlite_loses_nothing_that_was_accepted(databases: Databases) -> None:
    """Anything less than FULL can lose an accepted window with the power."""
    url = databases.migrated("sqlite")
    database = Database(url)
    with database.read() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    databases.release(url)
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.integration
def test_eight_processes_write_at_once(database: Database, database_url: str) -> None:
    writers = [sys.executable, "-m", "tests.store.writers", database_url, "8", "10"]
    assert subprocess.run(writers, cwd=ROOT, timeout=60, check=False).returncode == 0
    with database.read() as session:
        assert audit.verify(session) == [audit.Proof("house", 80)]
