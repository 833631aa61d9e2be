"""Visitors, real proxies, the whole service and a real container: asleep, woken, kept, let go."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.standalone.broker import free_port
from app.client import Client
from app.client.api import Api
from app.client.discovery import Target
from examples.vx11 import image
from tests.engine.stacks import docker, exits, python, until
from tests.standalone.test_tree import Standalone
from tests.wake import proxies

HTML = {"Accept": "text/html,*/*;q=0.8"}
TTL, CAP = 5.0, 16.0
# Answers every request with what it was asked, headers and all; a WebSocket with what comes after it.
ECHO = """
import socket
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\\r\\n"
    b"Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n"
)
server = socket.create_server(("", 8000))
while True:
    connection, _ = server.accept()
    with connection:
        heard = b""
        while b"\\r\\n\\r\\n" not in heard:
            heard += connection.recv(65536) or b"\\r\\n\\r\\n"
        asked, _, body = heard.partition(b"\\r\\n\\r\\n")
        if b"upgrade: websocket" in asked.lower():
            connection.sendall(SWITCHED)
            connection.sendall(connection.recv(64))
            continue
        length = asked.lower().partition(b"content-length:")[2].split()
        left = int(length[0]) - len(body) if length else 0
        while left > 0:
            left -= len(connection.recv(65536)) or left
        head = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\nContent-Length: "
        connection.sendall(head + str(len(heard)).encode() + b"\\r\\n\\r\\n" + heard)
"""


@dataclass
class Site:
    standalone: Standalone
    port: int
    """Where the service is published."""
    project: str

    @property
    def api(self) -> Api:
        front = self.standalone.front()
        return Api(Target(front.url, front.token))

    def running(self) -> str:
        return docker("ps", "-q", "--filter", f"label=com.docker.compose.project={self.project}").strip()

    def windows(self) -> list[Any]:
        front = self.standalone.front()
        with Client(front.url, front.token) as client:
            return list(client.windows())

    def quiet(self) -> None:
        """Nothing is held and nothing runs."""
        front = self.standalone.front()
        with Client(front.url, front.token) as client:
            for state in ("opening", "open"):
                for window in client.windows(state=state):
                    client.close(window, force=True)
        until(lambda: all(one.state == "closed" for one in self.windows()), "all is closed", 60)
        until(lambda: not self.running(), "all is off", 60)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    image.ensure()
    with tempfile.TemporaryDirectory() as directory:
        found = Standalone(Path(directory))
        port, project = free_port(), f"pw-wake-{os.getpid()}"
        services = {
            "echo": python(ECHO, ports=[f"127.0.0.1:{port}:8000"]),
            "broken": exits(3, saying="secret words"),
        }
        (found.directory / "docker-compose.yml").write_text(json.dumps({"services": services}))
        (found.directory / "power.toml").write_text(
            f'[stacks.small]\nproject = "{project}"\nallow = ["echo", "broken"]\n'
            f'default_ttl = "{TTL:g}s"\nmax_ttl = "{CAP:g}s"\n'
        )
        try:
            found.start()
            yield Site(found, port, project)
            found.stop()
        finally:
            found.clear()
            label = f"label=com.docker.compose.project={project}"
            for kind, remove in ((["ps", "-a"], ["rm", "-f"]), (["network", "ls"], ["network", "rm"])):
                if left := docker(*kind, "-q", "--filter", label).split():
                    docker(*remove, *left)


Serve = Callable[..., AbstractContextManager[None]]
KINDS: dict[str, Serve] = {"nginx": proxies.nginx, "caddy": proxies.caddy}


@pytest.fixture(params=KINDS)
def front(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[httpx.Client]:
    """A visitor before the proxy, and a token of the proxy's own."""
    yield from visiting(request.param, site, tmp_path, "echo")


def visiting(kind: str, site: Site, home: Path, service: str) -> Iterator[httpx.Client]:
    site.quiet()
    name, port = f"{kind}-{home.name}"[:80], free_port()
    with site.api as api:
        token = api.create_token(name, "small", service, None)["token"]
        places = {
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "127.0.0.1:8420": f"127.0.0.1:{site.standalone.port}",
            "127.0.0.1:8000": f"127.0.0.1:{site.port}",
            "vx11/switch": f"small/{service}",
        }
        with (
            KINDS[kind](home, port, places, token),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
        ):
            yield client
        api.revoke_token(name)
    site.quiet()


def passes(front: httpx.Client) -> bool:
    """Ask as the page does, and say whether it was the service that answered."""
    return front.get("/hello?x=1", headers=HTML).status_code == 200


def test_a_visitor_waits_on_a_page_and_arrives(front: httpx.Client, site: Site) -> None:
    first = front.get("/hello?x=1", headers=HTML)
    assert (first.status_code, first.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert (first.headers["retry-after"], first.headers["refresh"]) == ("2", "2")
    assert "echo is starting" in first.text
    assert first.headers["cache-control"] == "no-store"
    api = front.get("/", headers={"Accept": "application/json"})
    assert (api.status_code, api.json()["type"]) == (503, "/problems/starting")

    until(lambda: passes(front), "the page becomes the service's own", 60)

    mine = {"X-VX11-Token": "of-a-visitor", "Authorization": "Bearer of-a-visitor", "Cookie": "a=b"}
    heard = front.post("/form?x=1", headers=mine, content=b"words").text
    assert heard.startswith("POST /form?x=1 ")
    # What is the service's arrives there, and what is the proxy's does not.
    assert "Bearer of-a-visitor" in heard
    assert "a=b" in heard
    assert "x-vx11-token" not in heard.lower()
    assert "pw_" not in heard
    assert front.head("/").status_code == 200
    assert len([one for one in site.windows() if one.state == "open"]) == 1


def test_visits_keep_it_silence_lets_it_go_and_the_cap_ends_it(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)
    window = next(one for one in site.windows() if one.state == "open")

    def over() -> bool:
        passes(front)
        return next(one for one in site.windows() if one.id == window.id).state in {"closing", "closed"}

    # Far beyond what a silent one lasts, and not a moment beyond what any may last.
    until(over, "the cap ends it", CAP + 30)
    ended = next(one for one in site.windows() if one.id == window.id)
    with site.api as api:
        assert api.window(window.id)["ttl_sec"] == pytest.approx(CAP, abs=0.1)
    assert ended.close_detail == "its time was up"

    until(lambda: passes(front), "the next window is there", 60)
    until(lambda: not site.running(), "nobody visits and it goes off", TTL + 30)


def websocket(front: httpx.Client) -> socket.socket:
    """The visitor's side of a connection that asked to become a WebSocket."""
    url = front.base_url
    visitor = socket.create_connection((url.host, url.port or 80), timeout=30)
    visitor.sendall(
        b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return visitor


def test_a_websocket_wakes_and_passes(front: httpx.Client) -> None:
    with websocket(front) as early:
        assert early.recv(4096).startswith(b"HTTP/1.1 503")
    until(lambda: passes(front), "it is there", 60)
    with websocket(front) as visitor:
        assert visitor.recv(4096).startswith(b"HTTP/1.1 101")
        visitor.sendall(b"ping")
        assert visitor.recv(64) == b"ping"


def test_a_large_body_passes_and_one_that_is_announced_waits_for_nothing(front: httpx.Client) -> None:
    large = b"x" * 3_000_000
    early = front.post("/", headers={"Expect": "100-continue"}, content=large)
    assert early.status_code == 503
    until(lambda: passes(front), "it is there", 60)
    assert front.post("/", content=large).status_code == 200


def test_a_form_that_comes_too_early_is_not_taken_for_sent(front: httpx.Client) -> None:
    early = front.post("/form", headers=HTML, content=b"words")
    assert early.status_code == 503
    assert "What you sent was not passed on" in early.text
    assert "refresh" not in early.headers


def test_what_is_loaded_beforehand_wakes_nothing(front: httpx.Client, site: Site) -> None:
    before = len(site.windows())
    assert front.get("/", headers=HTML | {"Sec-Purpose": "prefetch"}).status_code == 503
    assert front.head("/").status_code == 503
    assert len(site.windows()) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_is_said_in_plain_words(kind: str, site: Site, tmp_path: Path) -> None:
    with contextmanager(visiting)(kind, site, tmp_path, "broken") as front:

        def told() -> str:
            return front.get("/", headers=HTML).text

        until(lambda: "could not be started" in told(), "it is said", 60)
        before = len(site.windows())
        assert "secret words" not in told()
        assert len(site.windows()) == before
