"""A database that hangs is away: whatever is asked of it ends, and it is used again when it is back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import make_url, text

from app.store import clock, postgres
from app.store import database as store
from app.store.changes import ChangeCounter
from app.store.database import OUTAGE_ERRORS, Database
from tests.databases import Databases
from tests.outages import Line, Server

pytestmark = pytest.mark.integration

PATIENCE = 1.0
AT_MOST = 20.0
"""Seconds that nothing here may take, on however slow a machine; for ever is longer."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def way(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(store, "SILENCE_SECONDS", PATIENCE)
    monkeypatch.setattr(postgres, "PING", PATIENCE)
    monkeypatch.setattr(postgres, "CONNECT", 2)
    url = server.migrated()
    database = Database(url)
    yield database
    database.close()
    server.drop(url)


def ask(database: Database) -> None:
    with database.read() as session:
        session.execute(text("SELECT 1"))


def tell(database: Database) -> None:
    with database.write() as session:
        session.execute(text("SELECT 1"))


def raises_in_time(work: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(OUTAGE_ERRORS):
        work()
    assert time.monotonic() - began < AT_MOST


@pytest.mark.parametrize("work", [ask, tell], ids=["read", "write"])
def test_a_frozen_server_is_away_and_comes_back(
    server: Server, way: Database, work: Callable[[Database], None]
) -> None:
    work(way)
    server.freeze()
    try:
        raises_in_time(lambda: work(way))
        # Neither does a new connection wait for ever, nor does anything that was in the pool.
        raises_in_time(lambda: work(way))
    finally:
        server.thaw()
    work(way)


def test_a_server_that_freezes_in_the_middle_of_a_session_is_away(server: Server, way: Database) -> None:
    def frozen_between() -> None:
        with way.write() as session:
            session.execute(text("SELECT 1"))
            server.freeze()
            session.execute(text("SELECT 2"))

    try:
        raises_in_time(frozen_between)
    finally:
        server.thaw()
    ask(way)


def test_eighty_who_ask_a_frozen_server_all_hear_of_it(server: Server, way: Database) -> None:
    ask(way)
    server.freeze()
    try:
        with ThreadPoolExecutor(80) as callers:
            began = time.monotonic()
            faults = [one.exception() for one in [callers.submit(ask, way) for _ in range(80)]]
            assert time.monotonic() - began < 2 * AT_MOST
    finally:
        server.thaw()
    assert all(isinstance(fault, OUTAGE_ERRORS) for fault in faults)
    ask(way)


def test_a_line_that_goes_silent_is_an_away_database(server: Server, way: Database) -> None:
    line = Line(way.url.render_as_string(hide_password=False))
    far = Database(line.url)
    ask(far)
    line.cut()
    raises_in_time(lambda: ask(far))
    raises_in_time(lambda: tell(far))
    line.mend()
    tell(far)
    far.close()
    line.close()


def test_the_clock_goes_on_without_a_frozen_server(
    server: Server, way: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Database("sqlite:///never-asked.db").extrapolate() is None
    before = way.now()
    monkeypatch.setattr(clock, "ANCHOR_FOR", 0.0)
    server.freeze()
    try:
        began = time.monotonic()
        assert way.extrapolate() is not None
        assert time.monotonic() - began < PATIENCE
        assert way.now() - before < timedelta(seconds=AT_MOST)
    finally:
        server.thaw()


def test_the_version_of_a_frozen_server_ends_too(server: Server, way: Database) -> None:
    changes = ChangeCounter(way)
    changes.version()
    server.freeze()
    try:
        raises_in_time(changes.version)
    finally:
        server.thaw()


def test_a_statement_may_take_long_only_where_that_was_said(way: Database) -> None:
    slow = text("SELECT pg_sleep(2.5)")
    with way.read(patient=True) as session:
        session.execute(slow)

    def impatient() -> None:
        with way.read() as session:
            session.execute(slow)

    raises_in_time(impatient)
    # The next one on the same connection is as impatient as any.
    raises_in_time(impatient)


def test_writers_behind_a_locked_file_give_up_together(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another would wait ten seconds each."""
    monkeypatch.setattr(store, "SILENCE_SECONDS", PATIENCE)
    url = databases.migrated("sqlite")
    way, other_connection = Database(url), sqlite3.connect(make_url(url).database or "", isolation_level=None)
    other_connection.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(20) as writers:
            began = time.monotonic()
            faults = [one.exception() for one in [writers.submit(tell, way) for _ in range(20)]]
            assert time.monotonic() - began < AT_MOST
    finally:
        other_connection.close()
    assert all(isinstance(fault, OUTAGE_ERRORS) for fault in faults)
    tell(way)
    way.close()
    databases.release(url)
