"""A server with namespaces: two of them, and callers of each and of the default one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.settings import Settings
from app.store import tokens
from app.store.database import Database
from app.web.console import create_app
from tests.system import NOON
from tests.web.caller import Caller, Remembering
from tests.web.namespaces.worlds import FEATURES, Namespace


@pytest.fixture
def team(database: Database, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    created = Namespace.create(database, "team_a", "studio")
    monkeypatch.setattr(database, "now", lambda: created.system.now)
    return created


@pytest.fixture
def other(database: Database, team: Namespace) -> Namespace:
    return Namespace.create(database, "team_b", "vault", "gold")


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Iterator[Flask]:
    url = database.url.render_as_string(hide_password=False)
    settings = Settings(tmp_path, url, "memory://", "local", tmp_path / "power.toml", features=FEATURES)
    application = create_app(settings, database, Remembering())
    yield application
    application.extensions["power-windows"].event_feed.stop()


@pytest.fixture
def operator(app: Flask, database: Database) -> Caller:
    with database.write() as session:
        return Caller.of(app, tokens.create(session, "admin", NOON))


@pytest.fixture
def member(app: Flask, team: Namespace) -> Caller:
    return Caller.of(app, team.token)
