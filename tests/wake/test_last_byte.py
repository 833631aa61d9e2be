"""A request that is under way when its window would end, behind real proxies: the last byte first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.stacks import until
from tests.wake.sites import CAP, KINDS, TTL, Site, passes, standing, visiting

# Says a word every half second for as long as it is asked to; `/silent` says nothing for so long.
STREAMS = """
import http.server, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, seconds = self.path[1:].partition("/")
        self.send_response(200)
        self.end_headers()
        if kind == "silent":
            time.sleep(float(seconds))
        elif kind == "stream":
            for _ in range(int(2 * float(seconds))):
                self.wfile.write(b"word\\n")
                time.sleep(0.5)
        self.wfile.write(b"last")
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        heard = len(self.rfile.read(length))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(heard).encode())
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
Server(("", 8000), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with standing({"streams": STREAMS}) as site_with_streams:
        yield site_with_streams


@pytest.fixture(params=KINDS)
def front(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[httpx.Client]:
    yield from visiting(request.param, site, tmp_path, "streams")


def newest(site: Site) -> dict[str, Any]:
    with site.api as api:
        return dict(api.window(site.windows()[0].id))


def extensions(site: Site, window: str) -> list[Any]:
    with site.api as api:
        entries = list(api.audit(window=window, limit=500))
    return [one for one in entries if one["event"] == "window.extended" and one["actor"] == "power-windows"]


def lasted(window: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(window[name]) for name in ("created_at", "deadline"))
    return (ended - began).total_seconds()


def test_a_slow_answer_gets_its_last_byte_and_then_it_goes_off(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)
    window = newest(site)["id"]
    answer = front.get("/stream/9")
    assert answer.text == "word\n" * 18 + "last"
    extended = extensions(site, window)
    assert extended
    assert all(one["facts"]["reason"] == "a request was under way" for one in extended)
    until(lambda: not site.running(), "it goes off", TTL + 20)
    ended = newest(site)
    assert (ended["id"], ended["close_reason"]) == (window, "expired")


def test_a_slow_upload_arrives_whole(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)

    def slowly() -> Iterator[bytes]:
        pause = threading.Event()
        for _ in range(16):
            yield b"x" * 100_000
            pause.wait(0.5)

    length = {"Content-Length": "1600000"}
    assert front.post("/", content=slowly(), headers=length).text == "1600000"


def test_one_that_never_ends_is_cut_at_the_cap(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)
    window = newest(site)["id"]
    # A client that is cut off sees the connection break, or end early, depending on the proxy.
    try:
        cut = front.get("/stream/60").text
    except httpx.HTTPError:
        cut = ""
    assert not cut.endswith("last")
    until(lambda: not site.running(), "it goes off", 20)
    ended = newest(site)
    assert ended["id"] == window
    assert lasted(ended) == pytest.approx(CAP, abs=0.1)


def test_who_is_silent_is_cut_at_the_deadline(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)
    window = newest(site)["id"]
    asking = threading.Thread(target=lambda: _ask(front, "/silent/30"), daemon=True)
    asking.start()
    until(lambda: newest(site)["state"] in {"closing", "closed"}, "it ends", TTL + 5)
    assert extensions(site, window) == []
    asking.join(30)
    until(lambda: not site.running(), "it goes off", 20)


def _ask(front: httpx.Client, path: str) -> None:
    try:
        front.get(path)
    except httpx.HTTPError:
        return


def test_a_window_that_is_closed_by_hand_ends_at_once(front: httpx.Client, site: Site) -> None:
    until(lambda: passes(front), "it is there", 60)
    window = newest(site)["id"]
    asking = threading.Thread(target=lambda: _ask(front, "/stream/30"), daemon=True)
    asking.start()
    until(lambda: extensions(site, window), "it is under way", TTL + 10)
    with site.api as api:
        api.close(window, force=False)
    until(lambda: newest(site)["state"] == "closed", "it is closed", 20)
    asking.join(30)
    assert newest(site)["close_reason"] == "manual"
