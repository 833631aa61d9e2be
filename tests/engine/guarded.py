"""A door in front of the engine that turns away what ends certain containers, so that a stop really fails."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ENDS = re.compile(rb"^POST /[^ ]*containers/(?P<id>[0-9a-f]+)/(stop|kill)[? ]")
_ANSWER = b'{"message": "cannot stop container: tried to kill container, but did not receive an exit event"}'
_REFUSAL = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_ANSWER), _ANSWER)
)


class Door(socketserver.ThreadingUnixStreamServer):
    """Lets one request a connection through to the engine, but for what would end a guarded container."""

    daemon_threads = True

    def __init__(self, path: Path, engine: str) -> None:
        self.engine = engine
        self.guarded: set[str] = set()
        """Ids of containers that nobody may stop or kill."""
        self.refused = 0
        super().__init__(str(path), _Caller)


class _Caller(socketserver.BaseRequestHandler):
    server: Door
    request: socket.socket

    def handle(self) -> None:
        head, body = self._head()
        asked = _ENDS.match(head)
        if asked and asked["id"].decode() in self.server.guarded:
            self.server.refused += 1
            self.request.sendall(_REFUSAL)
            return
        if not head:
            return
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            engine.sendall(_alone(head) + body)
            threading.Thread(target=_copy, args=(self.request, engine), daemon=True).start()
            _copy(engine, self.request)

    def _head(self) -> tuple[bytes, bytes]:
        read = b""
        while b"\r\n\r\n" not in read:
            more = self.request.recv(65536)
            if not more:
                return b"", b""
            read += more
        head, _, body = read.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body


def _alone(head: bytes) -> bytes:
    """The same request as the last one of its connection, unless it turns into something else."""
    if b"upgrade:" in head.lower():
        return head
    without = re.sub(rb"(?im)^connection:[^\r\n]*\r\n", b"", head)
    return without.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while read := source.recv(65536):
            target.sendall(read)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def door(directory: Path, engine: str = "/var/run/docker.sock") -> Iterator[Door]:
    with Door(directory / "door.sock", engine) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
