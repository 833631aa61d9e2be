"""What all tests share: the two kinds of databases, the system under test, and the tier that a run is of.

`--unit` chooses the unit tests: those that need no engine, browser or server, and are quick.
`make unit` runs them; `make test` runs everything. Each run says at its end what it ran.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from app.store.database import Database
from tests.databases import Databases
from tests.system import System

# Tests that are started in the background have Ctrl-C ignored, and whatever they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests make many small objects and keep few; the collector's own default visits them all too often.
gc.set_threshold(20_000, 50, 50)


class CompiledTemplates(BytecodeCache):
    """Templates compiled once for all applications of this process: a third of a page test's time."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket with the template's code, if this process has compiled it."""
        if code := self._code.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the template's code; the checksum is that of its text."""
        self._code[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}

HERE = Path(__file__).parent
UNIT = ("client", "domain", "host", "settings", "store", "usecases", "web", "workers", "cli", "chaos")
"""Folders that have unit tests."""
PAGES = ("web", "console")
"""The folder of tests that render whole pages, which take too long for that tier."""
SERVERS = ("postgres", "postgresql")
"""Parameters by which a test asks for a server."""
NO_ENGINE = "unix:///nonexistent/docker.sock"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only tests that need no engine, browser or server")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--unit"):
        # A unit test that reaches for an engine fails, instead of passing where one happens to run.
        os.environ["DOCKER_HOST"] = NO_ENGINE


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no folder without unit tests where only those run."""
    folder = collection_path.relative_to(HERE).parts[:1] if collection_path.is_relative_to(HERE) else ()
    return True if config.getoption("--unit") and folder and folder[0] not in UNIT else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--unit"):
        return
    chosen = [item for item in items if is_unit(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def is_unit(item: pytest.Item) -> bool:
    """Does this test need no engine, browser or server, and is it quick?"""
    folder, *inner = item.path.relative_to(HERE).parts
    parameters = getattr(item, "callspec", None)
    asks_for_server = parameters is not None and any(
        str(value) in SERVERS for value in parameters.params.values()
    )
    renders_pages = (folder, *inner[:1]) == PAGES
    return (
        folder in UNIT
        and not renders_pages
        and not asks_for_server
        and item.get_closest_marker("integration") is None
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which tier has run, and how many of its tests."""
    ran = sum(len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed"))
    tier = "unit tests: no engine, browser or server" if config.getoption("--unit") else "tests of every tier"
    terminalreporter.write_line(f"ran {ran} {tier}")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    databases = Databases()
    yield databases
    databases.stop()


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
