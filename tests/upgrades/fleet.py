"""Two fronts, two workers of one node, a beat and a broker as real processes, and people who use them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from app import settings
from app.standalone import broker as brokers
from app.standalone import children, prepare
from app.standalone.children import ChildSettings
from app.web import server
from tests.engine.stacks import Stack, until

LONG = 90.0
"""Seconds that anything may take on a busy machine before it counts as failed."""
RETRY = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What a client sees of a front that is being restarted."""


class Fleet:
    def __init__(self, stack: Stack) -> None:
        self.stack, self.data = stack, stack.directory / "data"
        self.data.mkdir(exist_ok=True)
        self._broker = brokers.prepare(self.data)
        variables = {**stack.environ, "POWER_BROKER_URL": self._broker.url, "POWER_NODE": "local"}
        self._environ = children.environment({"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, self.data, variables)
        prepare.ensure_token(settings.load(self._environ))
        self.token = prepare.token_file(self.data).read_text().strip()
        self.ports = [brokers.free_port(), brokers.free_port()]
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self.spawn("broker")
        until(lambda: brokers.answers(self._broker), "the broker answers", LONG)
        for name in ("web0", "web1", "worker0", "worker1", "beat"):
            self.spawn(name)
        for name in ("web0", "web1", "worker0", "worker1"):
            self.await_ready(name)
        until(self._served, "the stack is served", LONG)

    def spawn(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                self._argv(name),
                env=self._environ,
                cwd=children.root(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _argv(self, name: str) -> list[str]:
        if name == "broker":
            return [str(brokers.server_binary()), str(self._broker.config_file)]
        if name.startswith("web"):
            return server.command("127.0.0.1", self.ports[int(name[-1])])
        plan = ChildSettings(self.data, "local", self._environ, "")
        if name == "beat":
            return list(children.beat(plan).argv)
        argv = list(children.worker(plan).argv)
        argv[argv.index("power@local")] = f"{name}@local"
        return argv

    def log(self, name: str) -> Path:
        return self.data / f"{name}.log"

    def await_ready(self, name: str, begun: int = 0) -> None:
        if name.startswith("web"):
            until(lambda: self._answers(self.ports[int(name[-1])]), f"{name} answers", LONG)
        else:
            until(lambda: self.log(name).read_text().count(" ready.") > begun, f"{name} is ready", LONG)

    def _answers(self, port: int) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def _served(self) -> bool:
        answer = httpx.get(
            f"http://127.0.0.1:{self.ports[0]}/api/v1/stacks", headers=self.headers, timeout=10
        )
        return bool(answer.json()["items"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def restart(self, name: str) -> int:
        """As an upgrade does it: TERM, wait, start anew; the exit code of the one that left."""
        begun = self.log(name).read_text().count(" ready.")
        self.running[name].send_signal(signal.SIGTERM)
        code = self.running[name].wait(LONG)
        self.spawn(name)
        self.await_ready(name, begun)
        return code

    def stop(self) -> None:
        names = sorted(self.running, key=lambda name: name == "broker")
        for name in names:
            process = self.running[name]
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Person:
    """Opens and closes windows on one service until told to stop, by whichever front has its turn."""

    def __init__(self, fleet: Fleet, service: str) -> None:
        self._fleet, self._service, self._turn = fleet, service, count()
        self.windows: list[str] = []
        self.answers: list[int] = []
        self.fault: Exception | None = None

    def live(self, over: threading.Event) -> None:
        try:
            while not over.is_set():
                asked = {"services": [self._service], "ttl_sec": 600}
                key = f"{self._service}-{next(self._turn)}"
                window = self._post("/api/v1/windows?", asked, {"Idempotency-Key": key, "Prefer": "wait=3"})[
                    "id"
                ]
                self.windows.append(window)
                self._post(f"/api/v1/windows/{window}/close", {}, {"Prefer": "wait=3"})
        except Exception as error:  # noqa: BLE001  The test says what happened to whom.
            self.fault = error

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        until = time.monotonic() + LONG
        while True:
            port = self._fleet.ports[next(self._turn) % 2]
            try:
                answer = httpx.post(
                    f"http://127.0.0.1:{port}{path}",
                    json=body,
                    headers=self._fleet.headers | headers,
                    timeout=60,
                )
            except RETRY:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
                continue
            self.answers.append(answer.status_code)
            return answer.raise_for_status().json()


class EventListener:
    """Listens to the events, and comes back with its last one whenever a front leaves."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.heard: list[tuple[str, int]] = []
        self.place = ""
        self.begun = ""
        self.returns = 0

    def listen(self, over: Callable[[], bool]) -> None:
        while not over():
            port = self._fleet.ports[self.returns % 2]
            resume = {"Last-Event-ID": self.place} if self.place else {}
            try:
                with httpx.stream(
                    "GET", f"http://127.0.0.1:{port}/api/v1/events", headers=self._fleet.headers | resume,
                    timeout=httpx.Timeout(10.0, read=20.0),
                ) as stream:  # fmt: skip
                    self._take_in(stream.iter_lines(), over)
            except (*RETRY, httpx.ReadTimeout):
                time.sleep(0.1)
            self.returns += 1

    def _take_in(self, lines: Iterator[str], over: Callable[[], bool]) -> None:
        place = ""
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "id":
                place = value
            elif name == "data":
                entry = json.loads(value)
                self.heard.append((entry["stack"] or "house", entry["seq"]))
            elif line == "" and place:
                self.place = place
                self.begun = self.begun or place
            if over():
                return


@contextmanager
def fleet(stack: Stack) -> Iterator[Fleet]:
    fleet = Fleet(stack)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()
