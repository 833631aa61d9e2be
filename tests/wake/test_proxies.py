"""Visitors, real proxies, the whole service and a real container: asleep, woken, kept, let go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.engine.stacks import exits, until
from tests.wake.sites import CAP, HTML, KINDS, TTL, Site, passes, standing, visiting

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


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with standing({"echo": ECHO}, broken=exits(3, saying="secret words")) as broken_site:
        yield broken_site


@pytest.fixture(params=KINDS)
def front(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[httpx.Client]:
    """A visitor before the proxy, and a token of the proxy's own."""
    yield from visiting(request.param, site, tmp_path, "echo")


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
    echoed = front.post("/form?x=1", headers=mine, content=b"words").text
    assert echoed.startswith("POST /form?x=1 ")
    # What is the service's arrives there, and what is the proxy's does not.
    assert "Bearer of-a-visitor" in echoed
    assert "a=b" in echoed
    assert "x-vx11-token" not in echoed.lower()
    assert "pw_" not in echoed
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
    until(lambda: not site.running(), "without visits it goes off", TTL + 30)


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
