"""An application on both databases, with the clock of the test and a broker that records its messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.settings import Settings
from app.store import tokens
from app.store.database import Database
from app.web import create_app
from tests.system import System
from tests.web.caller import Caller, Remembering


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    url = database.url.render_as_string(hide_password=False)
    return Settings(tmp_path, url, "memory://", "local", tmp_path / "power.toml")


@pytest.fixture
def broker() -> Remembering:
    return Remembering()


@pytest.fixture
def system(database: Database, monkeypatch: pytest.MonkeyPatch) -> System:
    """All processes share one clock."""
    system = System(database)
    monkeypatch.setattr(database, "now", lambda: system.now)
    return system


@pytest.fixture
def app(settings: Settings, database: Database, broker: Remembering, system: System) -> Iterator[Flask]:
    application = create_app(settings, database, broker)
    yield application
    application.extensions["power-windows"].event_feed.stop()


@pytest.fixture
def token(system: System) -> str:
    with system.database.write() as session:
        return tokens.create(session, "ada", system.now)


@pytest.fixture
def api(app: Flask, token: str) -> Caller:
    return Caller.of(app, token)


@pytest.fixture
def grace(app: Flask, system: System) -> Caller:
    """Another caller."""
    with system.database.write() as session:
        return Caller.of(app, tokens.create(session, "grace", system.now))
