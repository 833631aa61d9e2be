"""The front as it is served: a real process with real sockets, and very many who listen."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.store import tokens
from app.store.database import Database
from app.web import server
from tests.databases import Databases
from tests.system import System

pytestmark = pytest.mark.integration

LISTENERS = 500
PROMPT = 10.0
_PATIENCE = 30.0


@dataclass
class Served:
    """A front in a process of its own."""

    port: int
    token: str
    system: System
    process: subprocess.Popen[bytes]

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        with closing(connection):
            all_headers = {
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            } | headers
            connection.request(method, path, None if body is None else json.dumps(body), all_headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, dict(answer.headers), json.loads(text) if text else None

    def listen(self, **headers: str) -> Stream:
        return Stream(self.port, {"Authorization": f"Bearer {self.token}"} | headers)


class Stream:
    """One open stream of events, read as lines."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        self._connection.request("GET", "/api/v1/events", headers=headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status

    def event(self) -> tuple[str, dict[str, Any]]:
        """The next event: its id and its entry."""
        fields: dict[str, str] = {}
        while True:
            line = self._answer.readline().decode().rstrip("\n")
            if not line and "data" in fields:
                return fields["id"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value

    def first_id(self) -> str:
        """Where the stream begins; having read it, the stream is surely open."""
        while not (line := self._answer.readline().decode()).startswith("id: "):
            assert line, "the stream ended"
        return line.removeprefix("id: ").strip()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def served(databases: Databases, tmp_path: Path) -> Iterator[Served]:
    url = databases.migrated("sqlite")
    database = Database(url)
    system = System(database, now=database.now())
    with database.write() as session:
        token = tokens.create(session, "ada", database.now())
    port = _free_port()
    environ = os.environ | {
        "POWER_DATA_DIR": str(tmp_path),
        "POWER_DATABASE_URL": url,
        "POWER_BROKER_URL": "memory://",
    }
    process = subprocess.Popen(server.command("127.0.0.1", port), env=environ)
    served = Served(port, token, system, process)
    try:
        _await(served)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE)
        database.close()


def _await(served: Served) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with suppress(OSError):
            assert served.ask("GET", "/healthz")[0] == 200
            return
        assert served.process.poll() is None, "the server ended"
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_five_hundred_open_streams_block_no_request_and_all_get_events(served: Served) -> None:
    with ThreadPoolExecutor(50) as pool:
        streams = list(pool.map(lambda _: served.listen(), range(LISTENERS)))
        try:
            assert {stream.status for stream in streams} == {200}
            list(pool.map(lambda stream: stream.first_id(), streams))

            slowest = 0.0
            for _ in range(20):
                began = time.monotonic()
                assert served.ask("GET", "/api/v1/windows")[0] == 200
                slowest = max(slowest, time.monotonic() - began)
            began = time.monotonic()
            status, _headers, window = served.ask("POST", "/api/v1/windows", {"services": ["forge"]})
            slowest = max(slowest, time.monotonic() - began)
            assert status == 202
            assert slowest < PROMPT

            entries = list(pool.map(lambda stream: stream.event()[1], streams))
            assert {(entry["event"], entry["window"]) for entry in entries} == {
                ("window.opening", window["id"])
            }
        finally:
            for stream in streams:
                stream.close()


def test_who_comes_back_has_missed_nothing(served: Served) -> None:
    stream = served.listen()
    start = stream.first_id()
    _, _, window = served.ask("POST", "/api/v1/windows", {"services": ["forge"]})
    last_id = stream.event()[0]
    stream.close()
    served.system.now = served.system.database.now()
    served.system.work()

    words = [entry.event for entry in served.system.entries(window["id"])]
    resumed = served.listen(**{"Last-Event-ID": last_id})
    assert [resumed.event()[1]["event"] for _ in words[1:]] == words[1:]
    resumed.close()
    again = served.listen(**{"Last-Event-ID": start})
    assert [again.event()[1]["event"] for _ in words] == words
    again.close()


def test_a_wait_ends_with_the_outcome_and_not_with_its_time(served: Served) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(served.ask, "POST", "/api/v1/windows", {"services": ["forge"]}, Prefer="wait=25")
        until = time.monotonic() + _PATIENCE
        while not served.ask("GET", "/api/v1/windows")[2]["items"]:
            assert time.monotonic() < until
        served.system.now = served.system.database.now()
        served.system.work()
        status, headers, window = asked.result()
    assert (status, headers["Preference-Applied"], window["state"]) == (202, "wait=25", "open")
    assert time.monotonic() - began < 20


def test_a_chunked_body_over_64_kib_is_413(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_PATIENCE)
    headers = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/json"}
    with closing(connection):
        chunks = (b"[" * 8192 for _ in range(9))
        connection.request("POST", "/api/v1/windows", chunks, headers, encode_chunked=True)
        assert connection.getresponse().status == 413


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "X-Forwarded-Prefix", "X-Script-Name"])
def test_no_header_of_a_client_stands_for_the_path(served: Served, name: str) -> None:
    assert served.ask("GET", "/healthz", **{name: "/api/v1"})[0] == 200
    assert served.ask("GET", "/api/v1/windows", **{name: "/healthz", "Authorization": ""})[0] == 401
