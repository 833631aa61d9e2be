"""A whole fleet on one machine: one front, one beat, one Postgres, one broker, and a worker process per node.

What runs is asked of the engines themselves, never of the database.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from app.domain.enums import Event
from app.standalone import broker as brokers
from app.store import tokens
from app.store.database import Database
from app.store.tables import Entry
from app.web import server
from tests.engine.stacks import Definition, running, until
from tests.repair_log import changes_in

REPOSITORY = Path(__file__).parents[2]
_LABEL = "com.docker.compose.project"
PATIENCE = 90.0
"""Seconds that anything may take on a machine that has much else to do."""


@dataclass
class Node:
    """One host: an engine, a directory with power.toml and locks, and the worker processes on it."""

    name: str
    home: Path
    docker: Mapping[str, str]
    """The environment in which docker's client finds this node's engine."""
    project: str = field(default_factory=lambda: f"pw-node-{secrets.token_hex(4)}")

    @property
    def toml(self) -> Path:
        return self.home / "power.toml"

    def write(self, stack: str, *services: str, node: str | None = None, **defined: Definition) -> None:
        """One stack of services that only run; without a network, since an engine may have no bridge."""
        definitions = {name: running(network_mode="none") for name in services} | defined
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "docker-compose.yml").write_text(json.dumps({"services": definitions}))
        self.toml.write_text(
            f"[stacks.{stack}]\nproject = {json.dumps(self.project)}\n"
            f"node = {json.dumps(node or self.name)}\nallow = {json.dumps(sorted(definitions))}\n"
        )

    def running(self) -> set[str]:
        """The services whose containers run, as the engine says."""
        words = [
            "ps",
            "--filter",
            f"label={_LABEL}={self.project}",
            "--format",
            '{{.Label "com.docker.compose.service"}}',
        ]
        return set(self._docker(*words).split())

    def clear(self) -> None:
        if left := self._docker("ps", "-aq", "--filter", f"label={_LABEL}={self.project}").split():
            self._docker("rm", "-f", *left)

    def _docker(self, *words: str) -> str:
        command = ["docker", *words]
        return subprocess.run(
            command, env=dict(self.docker), check=True, capture_output=True, text=True
        ).stdout


class Fleet:
    def __init__(self, home: Path, database_url: str) -> None:
        self.home, self.database = home, Database(database_url)
        self._broker = brokers.prepare(home / "broker")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environ = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "POWER_DATABASE_URL": database_url,
            "POWER_BROKER_URL": self._broker.url,
        }
        self._start("broker", [str(brokers.server_binary()), str(self._broker.config_file)])
        until(lambda: brokers.answers(self._broker), "the broker answers", PATIENCE)
        self._api: httpx.Client | None = None

    def begin(self, **more: str) -> None:
        """The front and the beat."""
        port = brokers.free_port()
        self._start(
            "front", server.command("127.0.0.1", port), POWER_DATA_DIR=str(self.home / "front"), **more
        )
        self._start("beat", self._celery("beat"), POWER_DATA_DIR=str(self.home / "beat"))
        with self.database.write() as session:
            token = tokens.create(session, "ada", self.database.now())
        self._api = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=70
        )
        until(self._answers, "the front answers", PATIENCE)

    def worker(self, node: Node, *, before: Sequence[str] = (), **more: str) -> subprocess.Popen[bytes]:
        """A worker process of this node, as `celery -A workers worker` starts it."""
        queues = f"power,power.{node.name}"
        name = f"{node.name}-{secrets.token_hex(2)}"
        argv = self._celery("worker", "-Q", queues, "-n", name, "--without-mingle", "--without-gossip")
        environ = {
            **{key: value for key, value in node.docker.items() if key == "DOCKER_HOST"},
            "POWER_NODE": node.name,
            "POWER_CONFIG": str(node.toml),
            "POWER_DATA_DIR": str(node.home / "data"),
            **more,
        }
        return self._start(name, [*before, *argv], **environ)

    def end(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._api:
            self._api.close()
        self.database.close()
        assert changes_in(self.home.glob("*.log")) == []

    def _celery(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", "workers", *words]

    def _start(self, name: str, argv: Sequence[str], **environ: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                env={**self._environ, **environ} if hasattr(self, "_environ") else None,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        process.args = name
        self._processes.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def said(self, process: subprocess.Popen[bytes]) -> str:
        return self.log(str(process.args)).read_text()

    def _answers(self) -> bool:
        try:
            return self.api.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    # What people do.

    @property
    def api(self) -> httpx.Client:
        assert self._api
        return self._api

    def open(self, stack: str, *services: str, ttl: float = 600.0, **headers: str) -> dict[str, Any]:
        body = {"stack": stack, "services": list(services), "ttl_sec": ttl}
        answer = self.api.post("/api/v1/windows", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def window(self, window: str) -> dict[str, Any]:
        return dict(self.api.get(f"/api/v1/windows/{window}").json())

    def stack(self, name: str) -> dict[str, Any]:
        return dict(self.api.get(f"/api/v1/stacks/{name}").json())

    def reaches(self, window: str, *states: str) -> dict[str, Any]:
        self.until(lambda: self.window(window)["state"] in states, f"it is {' or '.join(states)}")
        return self.window(window)

    def served(self, *names: str) -> None:
        """Wait until workers serve these stacks."""

        def there() -> bool:
            away = {one["name"]: one["away"] for one in self.api.get("/api/v1/stacks").json()["items"]}
            return all(away.get(name) is False for name in names)

        self.until(there, f"{names} are served")

    def until(self, claim: Any, what: str) -> Any:
        try:
            return until(claim, what, PATIENCE)
        except AssertionError as error:
            logs = [f"== {one.args!r}\n{self.said(one)[-3000:]}" for one in self._processes]
            raise AssertionError("\n".join([str(error), *logs])) from error

    def entries(self, event: Event) -> list[dict[str, Any]]:
        query = select(Entry).where(Entry.event == event).order_by(Entry.id)
        with self.database.read() as session:
            return [one.as_json() for one in session.scalars(query)]


@contextmanager
def standing(home: Path, database_url: str) -> Iterator[Fleet]:
    fleet = Fleet(home, database_url)
    try:
        yield fleet
    finally:
        fleet.end()
