"""A small stack on the real engine, and everything a test does to it from outside the worker.

The directory is mounted into the worker's container under the same path: its compose
file, power.toml, database and locks are what the tests see, too. What runs is asked of
the engine, never of the database.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import docker

import migrations
from app.domain.enums import Event
from app.domain.stack_id import StackId
from app.store import audit, stacks
from app.store import windows as rows
from app.store.database import Database
from app.store.tables import Window
from app.task_queue import Dispatch
from app.usecases.windows import close as closing
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from examples.vx11 import image
from tests.deadline import until

STACK = "foundry"
NODE = "local"
GRACE = 6
"""Seconds for which `anvil` ignores being told to stop: time enough to kill something meanwhile."""

_PYTHON = ["/usr/bin/python3", "-I", "-S"]
_PROBE = [*_PYTHON, "/srv/service.py", "probe", "8000"]

_TOML = """\
[stacks.{stack}]
project = "{project}"
files = ["compose.json"]
core = ["hearth"]
allow = ["forge", "bellows", "anvil"]
"""


class Stage:
    """Core `hearth`; `bellows` needs `forge` healthy; `anvil` does not leave on TERM."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = f"smoke-{secrets.token_hex(4)}"
        self.url = f"sqlite:///{home / 'power.db'}"
        self._engine = docker.from_env()
        self._write()
        migrations.upgrade(self.url)
        self.database = Database(self.url)
        self._compose("up", "-d", "hearth")

    def strike(self) -> None:
        """Leave nothing behind."""
        self._compose("down", "--volumes", "--timeout", "0")
        self._engine.close()
        self.database.close()

    # What people do. The nudge goes over the broker that is given.

    def open(self, broker: str, *services: str) -> str:
        with self.database.write() as session:
            ask = OpenRequest(services, StackId(STACK), ttl_sec=600)
            window, _ = opening.open_window(session, ask, actor="ada", now=self.database.now())
            opened = window.id
        assert Dispatch.to(broker).opening(opened, NODE)
        return opened

    def close(self, broker: str, window: str) -> None:
        with self.database.write() as session:
            closing.close(session, window, actor="ada", now=self.database.now())
        assert Dispatch.to(broker).closing(window, NODE)

    # What can be seen.

    def served(self) -> bool:
        """Has a worker read the stack?"""
        with self.database.read() as session:
            return STACK in stacks.names(session)

    def window(self, window: str) -> Window:
        with self.database.read() as session:
            row = rows.get(session, window)
        assert row
        return row

    def state(self, window: str) -> str:
        return str(self.window(window).state)

    def reaches(self, window: str, state: str, *, within: float = 60.0) -> Window:
        """Wait until a window has come so far, and return it."""
        until(lambda: self.state(window) == state, f"the window is {state}", within=within)
        return self.window(window)

    def events(self, window: str) -> list[str]:
        with self.database.read() as session:
            return [str(entry.event) for entry in audit.entries(session, window=window)]

    def calling(self, window: str, action: str) -> bool:
        """Is a call of this kind under way for the window?"""
        with self.database.read() as session:
            entries = audit.entries(session, window=window)
        events = [str(one.event) for one in entries if json.loads(one.facts).get("action") == action]
        return events.count(Event.CALL_STARTED) > events.count(Event.CALL_FINISHED) + events.count(
            Event.CALL_LOST
        )

    def running(self) -> set[str]:
        """The services whose containers the engine says are running."""
        label = f"com.docker.compose.project={self.project}"
        containers = self._engine.containers.list(filters={"label": label, "status": "running"})
        return {one.labels["com.docker.compose.service"] for one in containers}

    def _write(self) -> None:
        served = {"image": image.ensure(), "pull_policy": "never", "stop_grace_period": f"{GRACE}s"}
        often = {"interval": "300ms", "start_interval": "300ms", "start_period": "20s"}
        checked = {"test": ["CMD", *_PROBE], **often}
        services = {
            "hearth": served | {"command": ["hearth"]},
            "forge": served | {"command": ["forge"], "healthcheck": checked},
            "bellows": served
            | {"command": ["bellows"], "depends_on": {"forge": {"condition": "service_healthy"}}},
            "anvil": served | {"entrypoint": [*_PYTHON, "-c", "import time; time.sleep(600)"]},
        }
        (self.home / "compose.json").write_text(json.dumps({"services": services}))
        (self.home / "power.toml").write_text(_TOML.format(stack=STACK, project=self.project))

    def _compose(self, *words: str) -> None:
        program = str(Path(sys.executable).with_name("docker-compose"))
        files: Sequence[str] = ("-p", self.project, "-f", str(self.home / "compose.json"))
        subprocess.run([program, *files, *words], check=True, capture_output=True)
