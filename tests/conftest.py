"""What tests of every room share: databases of both kinds, and a house to play in."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from app.store.database import Database
from tests.databases import Databases
from tests.system import System

# Tests that are started in the background have Ctrl-C ignored, and whatever they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    found = Databases()
    yield found
    found.stop()


@pytest.fixture(params=Databases.KINDS)
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A new database with all tables, on SQLite and then again on PostgreSQL."""
    url = databases.migrated(request.param)
    yield url
    databases.release(url)


@pytest.fixture
def database(databases: Databases, database_url: str) -> Database:
    return databases.way(database_url)


@pytest.fixture
def system(database: Database) -> System:
    return System(database)
