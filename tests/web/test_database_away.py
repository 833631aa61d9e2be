"""A request never waits for ever for a database that hangs, and not at all if it does not need it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.settings import Settings
from app.store import database as store
from app.store import postgres, tokens
from app.store.database import Database
from app.web import create_app
from tests.outages import Server
from tests.web.caller import Caller, Remembering

pytestmark = pytest.mark.integration

AT_MOST = 20.0


def test_a_frozen_database_is_503_in_time_and_nothing_to_who_needs_it_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(postgres, "PING", 1.0)
    monkeypatch.setattr(postgres, "CONNECT", 2)
    server = Server()
    url = server.migrated()
    database = Database(url)
    with database.write() as session:
        token = tokens.create(session, "ada", database.now())
    settings = Settings(tmp_path, url, "memory://", "local", tmp_path / "power.toml")
    api = Caller.of(create_app(settings, database, Remembering()), token)
    assert api.get("/api/v1/windows").status_code == 200
    server.freeze()
    try:
        began = time.monotonic()
        answer = api.get("/api/v1/windows")
        assert (answer.status_code, answer.json["type"]) == (503, "/problems/database-away")
        assert time.monotonic() - began < AT_MOST
        before = time.monotonic()
        assert api.get("/healthz").status_code == 200
        assert time.monotonic() - before < 1
    finally:
        server.thaw()
    assert api.get("/api/v1/windows").status_code == 200
    database.close()
    server.stop()
