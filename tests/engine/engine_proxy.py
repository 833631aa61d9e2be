"""A proxy in front of the engine: it refuses what a test names, such as stops of certain containers.

It can also stand for a newer release, which turns older clients away as Docker 29 does.
"""

from __future__ import annotations

import json
import os
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

_ENDS = re.compile(rb"^POST /[^ ]*containers/(?P<id>[0-9a-f]+)/(stop|kill)[? ]")
_WILL_NOT_END = "cannot stop container: tried to kill container, but did not receive an exit event"
_VERSIONED = re.compile(rb"^([A-Z]+) /v1\.(\d+)/")
_TELLS_VERSION = re.compile(rb"^[A-Z]+ (/v1\.\d+)?/(version|_ping)[? ]")


def _refusal(status: int, sentence: str) -> bytes:
    body = json.dumps({"message": sentence}).encode()
    return (
        b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    )


class EngineProxy(socketserver.ThreadingUnixStreamServer):
    """Lets one request a connection through to the engine, but for what would end a guarded container."""

    daemon_threads = True

    def __init__(self, path: Path, engine: str) -> None:
        self.engine = engine
        self.guarded: set[str] = set()
        """Ids of containers that no call may stop or kill."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """By a pattern of the request line: the status and the sentence it is answered with."""
        self.delays: dict[str, float] = {}
        """By a pattern of the request line: seconds until it is passed on, even if its client is gone."""
        self.speaks: tuple[str, str] | None = None
        """Stand for a release with this lowest and highest API version; if None, for the engine behind."""
        self.refused = 0
        super().__init__(str(path), _Caller)

    def pass_everything(self) -> None:
        """Refuse and delay nothing any more, and stand for the engine behind."""
        self.guarded.clear()
        self.refusals.clear()
        self.delays.clear()
        self.speaks = None

    def refusal(self, head: bytes) -> bytes | None:
        """The answer to a request that does not reach the engine; None for one that does."""
        asked = _ENDS.match(head)
        if asked and asked["id"].decode() in self.guarded:
            return _refusal(500, _WILL_NOT_END)
        for pattern, (status, sentence) in self.refusals.items():
            if re.match(pattern.encode(), head):
                return _refusal(status, sentence)
        spoken = _VERSIONED.match(head)
        if self.speaks and spoken and int(spoken[2]) < int(self.speaks[0].removeprefix("1.")):
            return _refusal(
                400,
                f"client version 1.{int(spoken[2])} is too old. Minimum supported API version is "
                f"{self.speaks[0]}, please upgrade your client to a newer version",
            )
        return None

    def delay(self, head: bytes) -> float:
        return next((seconds for one, seconds in self.delays.items() if re.match(one.encode(), head)), 0.0)

    def passed_on(self, head: bytes) -> bytes:
        """The request as the engine behind understands it: without a version, in its own newest."""
        return _VERSIONED.sub(rb"\1 /", head) if self.speaks else head

    def told(self, head: bytes, answer: bytes) -> bytes:
        """An answer of the engine, as the release that this stands for would give it."""
        if not (self.speaks and _TELLS_VERSION.match(head)):
            return answer
        least, most = (rb"\g<1>" + version.encode() for version in self.speaks)
        for old, new in (
            (rb'("ApiVersion":")1\.\d+', most),
            (rb'("MinAPIVersion":")1\.\d+', least),
            (rb"(Api-Version: )1\.\d+", most),
        ):
            answer = re.sub(old, new, answer)
        return answer


class _Caller(socketserver.BaseRequestHandler):
    server: EngineProxy
    request: socket.socket

    def handle(self) -> None:
        head, body = self._head()
        if not head:
            return
        if refusal := self.server.refusal(head):
            self.server.refused += 1
            self.request.sendall(refusal)
            return
        time.sleep(self.server.delay(head))
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine)
            engine.sendall(_alone(self.server.passed_on(head)) + body)
            threading.Thread(target=_copy, args=(self.request, engine), daemon=True).start()
            _copy(engine, self.request, partial(self.server.told, head))

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


def _copy(
    source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes] = lambda read: read
) -> None:
    with suppress(OSError):
        while read := source.recv(65536):
            target.sendall(change(read))
        target.shutdown(socket.SHUT_WR)


@contextmanager
def engine_proxy(directory: Path, engine: str | None = None) -> Iterator[EngineProxy]:
    """A proxy in front of an engine's socket, by default that of the engine that the environment names."""
    engine = engine or os.environ.get("DOCKER_HOST", "/var/run/docker.sock").removeprefix("unix://")
    with EngineProxy(directory / "proxy.sock", engine) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
