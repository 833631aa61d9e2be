"""Commands and files in containers through the Engine API, for the checks of scenarios.

Every read is bounded in size and in time. A command that takes too long goes on: the engine cannot end
it, and it ends with its container.
"""

from __future__ import annotations

import io
import socket
import tarfile
import time
from dataclasses import dataclass
from typing import Any

import docker

from workers.engine.client import Engine
from workers.engine.negotiation import EngineRefused

LARGEST_READ = 256 * 1024
"""Bytes that are read of a command's output or of a file."""
_HEADER = 8
_GONE = 404
_LINKS = 5


class CommandTimeout(Exception):
    """The command has not ended in time."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command in a container ended, and the beginning of what it wrote on either stream."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """The beginning of a file; of a directory or a device it is empty."""

    text: str
    size: int


def run_command(engine: Engine, container: str, argv: tuple[str, ...], timeout: float) -> CommandResult:
    """Run a command to its end. Raises CommandTimeout, and what the engine raises."""
    return engine.ask(lambda client: _run(client, container, argv, time.monotonic() + timeout))


def _run(client: docker.APIClient, container: str, argv: tuple[str, ...], until: float) -> CommandResult:
    command = client.exec_create(container, list(argv), stdout=True, stderr=True)["Id"]
    stream: Any = client.exec_start(command, socket=True)
    try:
        output = _read_output(getattr(stream, "_sock", stream), until)
    finally:
        _hang_up(stream)
    while (code := client.exec_inspect(command).get("ExitCode")) is None:
        if time.monotonic() >= until:
            raise CommandTimeout
        time.sleep(0.05)
    return CommandResult(int(code), output.decode(errors="replace"))


def _hang_up(stream: Any) -> None:
    """Close the answer that a stream came with, the socket under it and the stream itself, in this order."""
    for part in (getattr(stream, "_response", None), getattr(stream, "_sock", None), stream):
        if part is not None:
            part.close()


def _read_output(stream: socket.socket, until: float) -> bytes:
    """What both streams carry, each frame behind a header of eight bytes, until the command ends."""
    raw, most = b"", LARGEST_READ + 64 * 1024
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise CommandTimeout
        stream.settimeout(left)
        try:
            piece = stream.recv(65536)
        except TimeoutError as error:
            raise CommandTimeout from error
        if not piece:
            return _without_headers(raw)[:LARGEST_READ]
        # What comes beyond the bound is read and dropped, so that the command is not held up.
        raw += piece[: max(0, most - len(raw))]


def _without_headers(raw: bytes) -> bytes:
    content, at = b"", 0
    while at + _HEADER <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + _HEADER], "big")
        content += raw[at + _HEADER : at + _HEADER + size]
        at += _HEADER + size
    return content


def read_file(engine: Engine, container: str, path: str) -> FileContent | None:
    """Return the beginning of a file in a container, running or not; None if there is no file.

    Symbolic links are followed. The engine cannot read files on a tmpfs.
    """
    for _ in range(_LINKS):
        try:
            content, target = engine.ask(lambda client, at=path: _read(client, container, at))  # type: ignore[misc]
        except EngineRefused as refused:
            if refused.status == _GONE:
                return None
            raise
        if not target:
            return content
        path = target
    return None


def _read(client: docker.APIClient, container: str, path: str) -> tuple[FileContent, str]:
    """The file at a path, and the target where it is a symbolic link."""
    stream, stat = client.get_archive(container, path)
    try:
        if target := str(stat.get("linkTarget") or ""):
            return FileContent("", 0), target
        raw = b""
        for piece in stream:
            raw += piece
            if len(raw) > LARGEST_READ + 4096:
                break
    finally:
        _close(stream)
    return FileContent(_content(raw).decode(errors="replace"), int(stat.get("size") or 0)), ""


def _close(stream: Any) -> None:
    close = getattr(stream, "close", None)
    if close:
        close()


def _content(raw: bytes) -> bytes:
    """The content of the first file of an archive, which may be cut off."""
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r|") as archive:
            member = archive.next()
            if member is None or not member.isfile():
                return b""
            return raw[member.offset_data :][: min(member.size, LARGEST_READ)]
    except tarfile.TarError:
        return b""
