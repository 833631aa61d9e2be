"""What answers where an engine should be: any release, and any answer to any question, over a real socket."""

from __future__ import annotations

import json
import re
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from app.host.engine_endpoint import Endpoint

_VERSIONED = re.compile(r"/v(\d+)\.(\d+)(/[^?]*)")


@dataclass
class Release:
    """What it says it is. Like a real engine it answers 400 to any version outside of its own."""

    version: str = "29.0.1"
    least: str = "1.44"
    most: str = "1.52"
    components: list[dict[str, str]] = field(default_factory=lambda: [{"Name": "Engine"}])

    def says(self) -> dict[str, Any]:
        return {
            "Version": self.version,
            "ApiVersion": self.most,
            "MinAPIVersion": self.least,
            "Components": self.components,
        }

    def refusal(self, major: int, minor: int) -> str:
        asked, least, most = (major, minor), _key(self.least), _key(self.most)
        if asked < least:
            return (
                f"client version {major}.{minor} is too old. Minimum supported API version is {self.least}, "
                "please upgrade your client to a newer version"
            )
        if asked > most:
            return f"client version {major}.{minor} is too new. Maximum supported API version is {self.most}"
        return ""


Answers = dict[str, tuple[int, Any]]
"""By path without its version: a status, and what is written as JSON (text as it is)."""


class EngineServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, release: Release, answers: Answers) -> None:
        self.endpoint = Endpoint(f"unix://{path}", "a test")
        self.release = release
        self.answers: Answers = {
            "/info": (200, {"ID": "X", "Name": "forge", "DockerRootDir": "/d"})
        } | answers
        self.asked: list[str] = []
        self.hung: set[str] = set()
        """Paths without their version that are never answered."""
        self._closing = threading.Event()
        super().__init__(str(path), _Handler)

    def let_go(self) -> None:
        """Answer what hangs, so that nothing outlives a test."""
        self._closing.set()

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        if any(path.endswith(hung) for hung in self.hung):
            self._closing.wait()
        if path in self.answers:
            return self.answers[path]
        if path == "/version":
            return 200, self.release.says()
        versioned = _VERSIONED.match(path)
        if versioned is None:
            return 404, {"message": "page not found"}
        if refusal := self.release.refusal(int(versioned[1]), int(versioned[2])):
            return 400, {"message": refusal}
        return self.answers.get(versioned[3], (404, {"message": "page not found"}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EngineServer

    def do_GET(self) -> None:
        status, answer = self.server.answer(self.path)
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        """A test says what went wrong by itself."""


def _key(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


@contextmanager
def serving(release: Release | None = None, answers: Answers | None = None) -> Iterator[EngineServer]:
    # A socket's path may have some hundred characters only, and pytest's are long.
    with (
        tempfile.TemporaryDirectory(prefix="pw-engine-") as directory,
        EngineServer(Path(directory) / "s", release or Release(), answers or {}) as engine_server,
    ):
        thread = threading.Thread(
            target=engine_server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield engine_server
        finally:
            engine_server.let_go()
            engine_server.shutdown()
