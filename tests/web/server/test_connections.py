"""Clients that are slow, silent or do not read: health is answered while they are held."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.web.server.test_server import Served, many_files, served

pytestmark = pytest.mark.integration

__all__ = ["many_files", "served"]

HEAD = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE = 9.0
"""Seconds for an answer on a machine that runs many tests; a held client is let go after 10 s."""

KINDS = {
    "half headers": (720, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "),
    "half bodies": (720, HEAD + b"Content-Length: 100\r\n\r\ntoken="),
    "half chunks": (720, HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\ntoken="),
    "bodies that are too large": (720, HEAD + b"Content-Length: 1000000\r\n\r\ntoken="),
    "continue": (720, HEAD + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"),
    "half bodies with a padded length": (720, HEAD + b"Content-Length: " + b"0" * 30 + b"100\r\n\r\ntoken="),
    "half bodies in very small chunks": (100, HEAD + CHUNKED + b"1\r\na\r\n" * 11000),
    "half lines before a chunk": (720, HEAD + CHUNKED + b"5;" + b"a" * 2000),
    "readers that do not read": (720, b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 40),
    "silent": (2160, b""),
}


@pytest.fixture
def hold(served: Served) -> Iterator[Callable[[int, bytes], None]]:
    held: list[socket.socket] = []

    def connect(number: int, request_bytes: bytes) -> None:
        for _ in range(number):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.settimeout(20)
            held.append(one)
            one.connect(("127.0.0.1", served.port))
            with suppress(OSError):
                one.setblocking(False)
                one.send(request_bytes)

    yield connect
    for one in held:
        one.close()


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("kind", KINDS)
def test_health_is_answered_while_clients_are_held(
    served: Served, hold: Callable[[int, bytes], None], kind: str
) -> None:
    hold(*KINDS[kind])
    for _ in range(5):
        began = time.monotonic()
        assert served.ask("GET", "/healthz")[0] == 200
        assert served.ask("GET", "/api/v1/windows")[0] == 200
        assert time.monotonic() - began < PATIENCE


def test_a_request_that_comes_byte_by_byte_is_answered(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            one.sendall(bytes([byte]))
        assert one.recv(100).startswith(b"HTTP/1.1 200")


def test_requests_in_one_piece_are_answered_in_turn(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /no HTTP/1.0\r\n\r\n")
        came = b""
        while data := one.recv(65536):
            came += data
    assert (came.count(b"HTTP/1.1 200"), came.count(b" 404 ")) == (3, 1)


def test_a_half_header_ends_at_its_deadline(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert one.recv(100) == b""


@pytest.mark.parametrize(
    "body", [b"Content-Length: 1000000", b"Content-Length: 5", b"Transfer-Encoding: chunked"]
)
def test_a_proxy_that_asks_without_the_visitors_body_is_answered_at_once(served: Served, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as proxy:
        proxy.sendall(
            b"GET /wake/small/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + body + b"\r\n\r\n"
        )
        received = b""
        while part := proxy.recv(4096):
            received += part
        assert b"HTTP/1.1 401 " in received


UNREADABLE = {
    "a length behind many spaces": b"Content-Length:" + b" " * 25 + b"5\r\n\r\n",
    "a length of many zeros and no body": b"Content-Length: " + b"0" * 30 + b"5\r\n\r\n",
    "a chunk of less than nothing": CHUNKED + b"-6\r\n",
    "a chunk that leads back to its own line": CHUNKED + b"5\r\ntoken\r\n-6\r\n",
    "a chunk with a sign": CHUNKED + b"+5\r\ntoken\r\n0\r\n\r\n",
    "a chunk with a prefix": CHUNKED + b"0x5\r\ntoken\r\n0\r\n\r\n",
    "a chunk with an underscore": CHUNKED + b"0_5\r\ntoken\r\n0\r\n\r\n",
    "a chunk longer than any": CHUNKED + b"f" * 900 + b"\r\n",
    "a chunk that is not ended": CHUNKED + b"5\r\ntokenXX0\r\n\r\n",
    "a line that does not end": CHUNKED + b"5;" + b"a" * 2000,
    "a size that is no number": CHUNKED + b"\xff\xfe\r\n",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused_without_harm(served: Served, case: str) -> None:
    follows = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        one.sendall(HEAD + UNREADABLE[case])
        if not case.startswith("a length"):
            one.sendall(follows)
        else:
            one.shutdown(socket.SHUT_WR)
        came = b""
        with suppress(ConnectionError):
            while data := one.recv(65536):
                came += data
    assert came == b"" or came.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert b'"ok"' not in came
    began = time.monotonic()
    assert served.ask("GET", "/healthz")[0] == 200
    assert time.monotonic() - began < PATIENCE
    assert served.process.poll() is None


def test_very_small_chunks_that_come_bit_by_bit_cost_little(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(HEAD + CHUNKED)
        for _ in range(1000):
            one.sendall(b"1\r\na\r\n" * 10)
        one.sendall(b"0\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 4")
    assert served.ask("GET", "/healthz")[0] == 200
