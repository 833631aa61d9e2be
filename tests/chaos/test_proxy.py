"""A wire can be cut, go silent, and stay half-open."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.standalone.broker import free_port
from chaos.proxy import Wire, Wires

SOON = 0.3
"""Seconds without an answer that count as silence."""


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Path]:
    """A server that says again what it hears."""
    at = tmp_path / "echo"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))
        server.listen()
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield at
        server.shutdown(socket.SHUT_RDWR)


def serve(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=say_again, args=(connection,), daemon=True).start()


def say_again(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while some := connection.recv(100):
            connection.sendall(some)


@pytest.fixture
def wires() -> Iterator[Wires]:
    wires = Wires()
    yield wires
    wires.close()


@pytest.fixture
def wire(wires: Wires, echo: Path) -> Wire:
    return wires.lay("echo:me", echo, free_port())


def connected(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(str(wire.listen))), timeout=5)


def said(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    return connection.recv(100)


def test_what_goes_in_comes_out(wire: Wire) -> None:
    with connected(wire) as connection:
        assert said(connection, b"well") == b"well"


def test_a_cut_resets_and_refuses_until_it_is_mended(wires: Wires, wire: Wire) -> None:
    with connected(wire) as connection:
        said(connection, b"well")
        wires.breaks("echo:me", "cut")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionResetError), connected(wire) as refused:
        refused.recv(100)

    wires.mended("echo:me")
    with connected(wire) as connection:
        assert said(connection, b"again") == b"again"


def test_what_was_said_in_silence_arrives_late(wires: Wires, wire: Wire) -> None:
    with connected(wire) as connection:
        said(connection, b"well")
        wires.breaks("echo:me", "silence")
        connection.sendall(b"late")
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(100)

        wires.mended("echo:me")
        connection.settimeout(5)
        assert connection.recv(100) == b"late"


def test_a_half_open_connection_stays_dead_and_a_new_one_is_well(wires: Wires, wire: Wire) -> None:
    with connected(wire) as old:
        said(old, b"well")
        wires.breaks("echo:me", "half-open")
        wires.mended("echo:me")
        with connected(wire) as new:
            assert said(new, b"new") == b"new"
        old.sendall(b"old")
        old.settimeout(SOON)
        with pytest.raises(TimeoutError):
            old.recv(100)
