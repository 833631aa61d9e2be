"""Proxies that are named, those that are not, and the server's own error pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import settings
from app.settings import trusted_proxies
from app.standalone import broker as brokers
from app.web import server
from app.web.response_headers import EVERY_ANSWER
from app.web.server.connections import PER_ADDRESS
from tests.engine.stacks import until
from tests.web.server.test_server import Served, served

pytestmark = pytest.mark.integration

__all__ = ["served"]

UNREADABLE = {
    "no request": (b"what is this\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "a header without a name": (b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400),
    "a long address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a long header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "an unknown coding": (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n", 501),
}


@pytest.fixture
def proxied(served: Served, tmp_path: Path) -> Iterator[Served]:
    """Another front on the same database, which trusts this machine and a network."""
    environ = os.environ | {
        "POWER_DATA_DIR": str(tmp_path),
        "POWER_DATABASE_URL": served.system.database.url.render_as_string(hide_password=False),
        "POWER_BROKER_URL": "memory://",
        "POWER_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
    }
    port = brokers.free_port()
    process = subprocess.Popen(server.command("127.0.0.1", port), env=environ)
    served_by_proxy = Served(port, served.token, served.system, process)
    try:
        until(lambda: answers(served_by_proxy), "it answers", 30)
        yield served_by_proxy
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(front: Served) -> bool:
    try:
        return front.ask("GET", "/healthz")[0] == 200
    except OSError:
        return False


def answer(port: int, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(request)
        came = b""
        while data := one.recv(65536):
            came += data
    return came.decode("latin1")


def test_the_servers_own_pages_have_the_headers_of_every_answer(served: Served) -> None:
    for name, (request, status) in UNREADABLE.items():
        head = answer(served.port, request).partition("\r\n\r\n")[0]
        assert head.startswith(f"HTTP/1.1 {status} "), name
        for header, value in EVERY_ANSWER.items():
            assert f"\r\n{header}: {value}" in head, name


def test_bad_tokens_are_counted_for_the_client_of_a_named_proxy(proxied: Served, served: Served) -> None:
    def ask(front: Served, client: str) -> int:
        return front.ask("GET", "/api/v1/windows", Authorization="Bearer x", **{"X-Forwarded-For": client})[0]

    assert [ask(proxied, f"192.0.2.{number}, 10.9.9.9") for number in range(30)] == [401] * 30
    assert [ask(proxied, "192.0.2.200") for _ in range(30)] == [401] * 20 + [429] * 10
    assert [ask(served, f"192.0.2.{number}") for number in range(30)] == [401] * 20 + [429] * 10


def test_connections_are_counted_for_the_client_of_a_named_proxy(proxied: Served) -> None:
    half = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as held:

        def connect(client: bytes) -> socket.socket:
            one = held.enter_context(socket.create_connection(("127.0.0.1", proxied.port), timeout=20))
            one.sendall(half % client)
            return one

        others = [connect(b"192.0.2.%d" % number) for number in range(PER_ADDRESS + 20)]
        flood = [connect(b"198.51.100.7") for _ in range(PER_ADDRESS + 1)]
        assert flood[0].recv(1) == b""
        assert answers(proxied)
        for one in others:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(1)


def test_scheme_and_prefix_are_a_named_proxys_to_say(proxied: Served, served: Served) -> None:
    headers = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: x.example.org\r\nX-Forwarded-Prefix: {}"

    def head(front: Served, path: str, prefix: str) -> str:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers.format(prefix)}\r\n\r\n"
        return answer(front.port, request.encode()).partition("\r\n\r\n")[0]

    assert "\r\nLocation: /power/sign-in" in head(proxied, "/", "/power")
    assert "\r\nLocation: /sign-in" in head(served, "/", "/power")
    assert "\r\nLocation: /sign-in" in head(proxied, "/", "//evil.example.org")
    assert head(proxied, "/power/healthz", "/power").startswith("HTTP/1.1 200 ")
    assert head(served, "/power/healthz", "/power").startswith("HTTP/1.1 404 ")
    assert "Secure" in head(proxied, "/sign-in", "/power")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("192.0.2.5", "10.0.0.1", "192.0.2.5"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("", "192.0.2.1", ""),
    ],
)
def test_the_client_is_the_last_address_that_no_named_proxy_has(
    peer: str, forwarded: str, client: str
) -> None:
    assert trusted_proxies.client_of(peer, forwarded, trusted_proxies.parse("10.0.0.0/8")) == client


def test_what_is_no_address_is_refused_by_name() -> None:
    with pytest.raises(settings.ConfigError, match=r"POWER_TRUSTED_PROXIES: .*proxy.*10\.0\.0\.0/24"):
        settings.load({"POWER_TRUSTED_PROXIES": "10.0.0.1, proxy"})
    with pytest.raises(settings.ConfigError, match="host bits"):
        settings.load({"POWER_TRUSTED_PROXIES": "10.0.0.1/8"})
    assert settings.load({}).trusted_proxies == ()
