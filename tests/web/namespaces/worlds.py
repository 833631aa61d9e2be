"""Two worlds that differ in one thing: whether a second namespace is there. All else is the same."""

from __future__ import annotations

import itertools
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.domain.enums import Event
from app.domain.features import Features
from app.domain.intents import IntentState
from app.domain.stack_id import StackId
from app.domain.viewer import Viewer
from app.settings import Settings
from app.store import audit, diagnoses, intents, tokens
from app.store.database import Database
from app.store.tables import Delivery, Diagnosis, IntentRequest, Notice, Sample, ScenarioRun
from app.usecases import namespace_tokens
from app.usecases import wake as waking
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest, Repeat
from app.web.console import create_app
from tests.reports.sample import sample
from tests.simulated_worker import allowed, studio
from tests.system import NOON, System
from tests.web.caller import Remembering

FEATURES = Features(namespaces=True, intents=True)
KEY = "a-key-of-both"
_CALLER = re.compile(r"^BEGIN|WHERE tokens\.digest|token_digest")


@dataclass
class Namespace:
    """One namespace with one of everything that belongs to one."""

    name: str
    stack: StackId
    system: System
    window: str = ""
    closed: str = ""
    run: str = ""
    notice: str = ""
    wish: str = ""
    token: str = ""
    wake_token: str = ""

    @classmethod
    def create(cls, database: Database, namespace: str, stack: str, *services: str) -> Namespace:
        identifier = Viewer(namespace).stack_id(stack)
        spec = studio()
        more = {name: allowed(name) for name in services}
        services_by_name = {**spec.services, **more}
        spec = replace(spec, name=identifier, project=f"{namespace}-{stack}", services=services_by_name)
        created = cls(namespace, identifier, System(database, spec))
        created.system.work()
        created.add_windows()
        created.add_rows()
        created.add_tokens()
        return created

    def _open(self, *services: str, key: str | None = None) -> str:
        actor = f"{self.name}/ci"
        repeat = Repeat(actor, key, "0" * 64) if key else None
        with self.system.database.write() as session:
            ask = OpenRequest(services, self.stack)
            window, _ = opening.open_window(session, ask, actor=actor, now=self.system.now, repeat=repeat)
            identifier = window.id
        self.system.work()
        return identifier

    def add_windows(self) -> None:
        self.closed = self._open("mill")
        self.system.close(self.closed, actor=f"{self.name}/ci")
        self.system.work()
        self.window = self._open("forge", key=KEY)

    def add_rows(self) -> None:
        now, self.run = self.system.now, secrets.token_hex(8)
        about = {"stack": self.stack, "node": "local"}
        with self.system.database.write() as session:
            run: dict[str, Any] = {"name": "cycle", "actor": f"{self.name}/ci", "services": ["forge"]}
            run |= {"state": "finished", "outcome": "passed", "document": {}, "report": sample()}
            session.add(ScenarioRun(id=self.run, created_at=now, **about, **run))
            self.wish = secrets.token_hex(8)
            wish: dict[str, Any] = {"intent": "translate", "actor": f"{self.name}/ci", "services": ["forge"]}
            session.add(
                IntentRequest(id=self.wish, state=IntentState.WAITING, created_at=now, **about, **wish)
            )
            self.notice = notice = secrets.token_hex(16)
            notice_values: dict[str, Any] = {"key": "k", "event": "window.ending", "body": {}}
            notice_values |= {"sink": f"{self.name}/ops", "window_id": self.window}
            session.add(Notice(id=notice, next_at=now, created_at=now, **about, **notice_values))
            session.add(Delivery(notice_id=notice, at=now, elapsed_ms=1, ok=True, said="200"))
            causes = [{"rule": "unknown", "cause": f"in {self.stack}"}]
            session.add(Diagnosis(service="mill", window_id=self.window, at=now, causes=causes, **about))
            use = {"service": "forge", "cpu": 1.0, "memory": 2**20}
            session.add(Sample(stack=self.stack, at=now + timedelta(seconds=1), **use))

    def work_on(self) -> None:
        """One more of what its members and the worker do: a window, output of a build, an entry."""
        window = self._open("mill")
        self.system.close(window, actor=f"{self.name}/ci")
        self.system.work()
        now = self.system.now
        with self.system.database.write() as session:
            intents.add_output(session, self.wish, "forge", f"built in {self.stack}\n", now, most_pieces=64)
            intents.add_output(session, self.wish, "forge", "and done\n", now, most_pieces=64)
            diagnoses.record(
                session,
                stack=self.stack,
                service="mill",
                window=window,
                node="local",
                causes=[{"rule": "unknown", "cause": f"in {self.stack}"}],
                now=now,
            )
            audit.record(session, Event.TOKEN_CREATED, actor=f"{self.name}/ci", now=now, name="x")
        self.system.now += timedelta(seconds=1)

    def add_tokens(self) -> None:
        with self.system.database.write() as session:
            now = self.system.now
            self.token = namespace_tokens.create(session, self.name, "ci", actor="admin", now=now)
            self.wake_token = waking.create(
                session,
                f"{self.name}/door",
                stack=self.stack,
                service="forge",
                ttl_sec=None,
                actor="admin",
                now=now,
            )


@dataclass
class World:
    """One database and one server, with the first namespace and perhaps the second."""

    database: Database
    app: Flask
    first: Namespace
    second: Namespace | None
    signed_in: tuple[str, str] = ("", "")
    """The cookie of a console session, and the secret of its forms."""

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The statements that this thread executes meanwhile, without those that find the caller.

        A caller is cached for some seconds, so how often it is looked up depends on the time.
        """
        seen: list[str] = []
        mine = threading.get_ident()

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if threading.get_ident() == mine and not _CALLER.search(statement):
                seen.append(statement)

        event.listen(self.database.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(self.database.engine, "before_cursor_execute", note)


def make_world(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch, *, with_second: bool
) -> World:
    """A world whose ids and secrets are numbers, so that what is there in both is the same in both."""
    numbered(monkeypatch, "a")
    with database.write() as session:
        tokens.create(session, "admin", NOON)
    first = Namespace.create(database, "team_a", "studio")
    monkeypatch.setattr(database, "now", lambda: first.system.now)
    numbered(monkeypatch, "b")
    second = Namespace.create(database, "team_b", "vault", "gold") if with_second else None
    url = database.url.render_as_string(hide_password=False)
    settings = Settings(path, url, "memory://", "local", path / "power.toml", features=FEATURES)
    app = create_app(settings, database, Remembering())
    # Repeated refusals are counted by the minute, which would make the trail depend on the time.
    app.extensions["power-windows"].refusals.clock = lambda: 0.0
    numbered(monkeypatch, "c")
    return World(database, app, first, second)


def numbered(monkeypatch: pytest.MonkeyPatch, letter: str) -> None:
    """From here on every random text is the next number, with this letter in front."""
    numbers = itertools.count(1)

    def text(length: int = 32) -> str:
        return f"{letter}{next(numbers):0{2 * length - len(letter)}}"

    monkeypatch.setattr(secrets, "token_hex", text)
    monkeypatch.setattr(secrets, "token_urlsafe", text)
