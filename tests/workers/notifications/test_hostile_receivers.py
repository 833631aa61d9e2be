"""Receivers of notices that answer too much, too slowly, elsewhere or not at all, against the real sender."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.settings import NoticeToml
from tests.engine.stacks import until
from workers.notifications import senders

pytestmark = pytest.mark.integration

BODY = {"event": "window.stuck", "stack": "studio", "window": "w", "actor": "ada", "facts": {}}
HIDDEN = "/services/T0AB12CD/xoxLongSecretOfOurs?key=anotherSecret99"
Act = Callable[[socket.socket], None]


@contextmanager
def receiver(act: Act) -> Iterator[int]:
    """A server on a port of its own; `act` gets each connection once the request has begun."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(10)
                    connection.recv(65536)
                    act(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        over.set()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def hook(port: int, path: str = HIDDEN, scheme: str = "http") -> NoticeToml:
    return NoticeToml(url=f"{scheme}://127.0.0.1:{port}{path}", secret="opensesame")


def floods(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n")
    for _ in range(300):
        connection.sendall(b"x" * (1 << 20))


def drips(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n")
    _for_as_long_as_it_reads(connection, b"x")


def sends_headers_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    _for_as_long_as_it_reads(connection, b"X-More: and more\r\n")


def continues_without_end(connection: socket.socket) -> None:
    _for_as_long_as_it_reads(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def says_nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _for_as_long_as_it_reads(connection: socket.socket, piece: bytes) -> None:
    pause = threading.Event()
    while not pause.wait(0.02):
        connection.sendall(piece)


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_an_answer_of_300_mib_is_read_for_4_kib() -> None:
    before = peak_kib()
    with receiver(floods) as port:
        answer = senders.send(hook(port), "n1", BODY)
    assert (answer[:7], len(answer)) == ("200 xxx", 300)
    assert peak_kib() - before < 30 * 1024


def test_apprise_is_given_no_memory_for_an_answer_of_300_mib() -> None:
    before = peak_kib()
    with receiver(floods) as port, pytest.raises(senders.DeliveryFailed, match=r"MiB|could not hand it over"):
        senders.send(NoticeToml(apprise=f"json://127.0.0.1:{port}/"), "n1", BODY)
    assert peak_kib() - before < 30 * 1024


@pytest.mark.parametrize("act", [drips, continues_without_end, says_nothing])
def test_one_deadline_ends_the_whole_exchange(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WEBHOOK_TIMEOUT", 0.5)
    with receiver(act) as port, pytest.raises(senders.DeliveryFailed, match="Timeout"):
        senders.send(hook(port), "n1", BODY)


def test_headers_without_end_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        receiver(sends_headers_without_end) as port,
        pytest.raises(senders.DeliveryFailed, match=r"headers|Timeout"),
    ):
        senders.send(hook(port), "n1", BODY)


def test_apprise_has_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "APPRISE_TIMEOUT", 0.5)
    with receiver(drips) as port, pytest.raises(senders.DeliveryFailed, match="Timeout"):
        senders.send(NoticeToml(apprise=f"json://127.0.0.1:{port}/"), "n1", BODY)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_never_accepts_has_the_same_deadline(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "WEBHOOK_TIMEOUT", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(senders.DeliveryFailed, match="Timeout"),
    ):
        senders.send(hook(server.getsockname()[1], scheme=scheme), "n1", BODY)


def test_a_name_server_that_never_answers_has_the_same_deadline(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    script = (
        "from workers.notifications import senders\nfrom app.settings import NoticeToml\n"
        "senders.TIMEOUT = 0.5\n"
        "try: senders.send(NoticeToml(url='http://hooks.example.org/x', secret='s'), 'n', "
        "{'event': 'window.stuck',"
        " 'stack': 's', 'window': 'w', 'actor': 'a', 'facts': {}})\n"
        "except senders.DeliveryFailed as error: print(error)\n"
    )
    bind = " && ".join(
        f"mount --bind {tmp_path / name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf")
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.77", 53))
        asked = subprocess.run(
            ("unshare", "--mount", "sh", "-c", f'{bind} && exec "$0" -c "$1"', sys.executable, script),
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert silent.recv(512)
    assert "Timeout" in asked.stdout


def test_no_redirect_is_followed() -> None:
    asked = list[bytes]()

    def notes(connection: socket.socket) -> None:
        asked.append(b"")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with receiver(notes) as elsewhere:
        answer = (
            f"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        )
        with receiver(lambda connection: connection.sendall(answer.encode())) as port:
            with pytest.raises(senders.DeliveryFailed, match="307"):
                senders.send(hook(port), "n1", BODY)
            with pytest.raises(senders.DeliveryFailed):
                senders.send(NoticeToml(apprise=f"json://127.0.0.1:{port}/"), "n1", BODY)
    assert asked == []


def test_the_address_is_in_nothing_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def echoes(connection: socket.socket) -> None:
        body = f"Cannot POST {HIDDEN} nor {HIDDEN.split('/')[3]}, T0AB12CD, anotherSecret99".encode()
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    texts = list[str]()
    with receiver(echoes) as port:
        ways = [
            hook(port),
            hook(9),
            hook(9, f"{HIDDEN}\t\x7f"),
            hook(port, scheme="https"),
            hook(0, ":x@[" + HIDDEN),
        ]
        for one in [
            *ways,
            NoticeToml(apprise=f"json://127.0.0.1:9{HIDDEN}"),
            NoticeToml(apprise=f"nosuch:/{HIDDEN}"),
        ]:
            try:
                senders.send(one, "n1", BODY)
            except senders.DeliveryFailed as error:
                texts += [repr(one), "".join(traceback.format_exception(error))]
    assert len(texts) == 14
    for secret in ("T0AB12CD", "xoxLongSecretOfOurs", "anotherSecret99", "opensesame"):
        assert secret not in "".join(texts) + caplog.text


def test_who_ends_waits_for_no_receiver_and_takes_its_sender_along() -> None:
    ended = threading.Event()

    def waits(connection: socket.socket) -> None:
        connected.append(connection)
        says_nothing(connection)
        ended.set()

    connected = list[socket.socket]()
    with receiver(waits) as port:
        script = (
            "import sys, threading\nfrom workers.notifications import senders\n"
            "from app.settings import NoticeToml\n"
            "senders.TIMEOUT = 9\n"
            f"toml = NoticeToml(url='http://127.0.0.1:{port}/', secret='s')\n"
            "body = {'event': 'window.stuck', 'stack': 's', 'window': 'w', 'actor': 'a', 'facts': {}}\n"
            "threading.Thread(target=senders.send, args=(toml, 'n', body), daemon=True).start()\n"
            "sys.stdin.read()\n"
        )
        parent = subprocess.Popen((sys.executable, "-c", script), stdin=subprocess.PIPE, env=dict(os.environ))
        until(lambda: connected, "the receiver is connected to", 30)
        parent.communicate(b"")
        until(ended.is_set, "the sender has gone with its parent", 8)
    assert parent.returncode == 0
