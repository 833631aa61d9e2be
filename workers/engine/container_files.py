"""Reads the beginning of files in containers, running or not, through the engine's archive route."""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from app.domain.diagnosis.evidence import EntryEvidence
from workers.engine.client import Engine
from workers.engine.negotiation import EngineRefused

_MOST = 64 * 1024
"""Bytes that are read of one file's archive."""
_BLOCK = 512
"""Bytes of a tar's header, which is all that is read of a directory's."""
_HEAD = 4096
_LINKS = 8
_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27
"""Bits of the mode as Go writes it."""
_ELF = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 22: "s390x", 21: "ppc64le"}
_LOADER = 3
"""The type of the ELF program header that names the loader."""


@dataclass(frozen=True, slots=True)
class FileHead:
    """The beginning of one file: its owner and mode, and its first bytes; a directory has none."""

    path: str
    uid: int = 0
    mode: int = 0
    directory: bool = False
    head: bytes = field(default=b"", repr=False)


def read_head(engine: Engine, container: str, path: str) -> FileHead | None:
    """The file at a path, behind its links; None where there is none. Raises EngineRefused or Away."""
    for _ in range(_LINKS):
        try:
            chunks, status = _archive(engine, container, path)
        except EngineRefused as refused:
            if refused.status in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
                return None
            raise
        mode = int(status.get("mode") or 0)
        if mode & _GO_LINK and (target := str(status.get("linkTarget") or "")):
            _close(chunks)
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            continue
        directory = bool(mode & _GO_DIRECTORY)
        return _parse(path, _first_bytes(chunks, _BLOCK if directory else _MOST), directory=directory)
    return None


def _archive(engine: Engine, container: str, path: str) -> tuple[Iterator[bytes], Mapping[str, Any]]:
    answer: tuple[Iterator[bytes], Mapping[str, Any]] = engine.ask(
        lambda client: client.get_archive(container, path, chunk_size=8192)
    )
    return answer


def _first_bytes(chunks: Iterator[bytes], most: int) -> bytes:
    """As much of an archive as is needed; the rest is not waited for."""
    read = bytearray()
    try:
        for chunk in chunks:
            read += chunk
            if len(read) >= most:
                break
    finally:
        _close(chunks)
    return bytes(read)


def _close(chunks: Iterator[bytes]) -> None:
    if (close := getattr(chunks, "close", None)) is not None:
        close()


def _parse(path: str, archive: bytes, *, directory: bool) -> FileHead | None:
    with suppress(tarfile.TarError, EOFError, ValueError):
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
            member = opened.next()
            if member is None:
                return None
            begin = member.offset_data
        head = b"" if directory else archive[begin : begin + min(member.size, _HEAD)]
        return FileHead(path, member.uid, member.mode, directory, head)
    return None


def describe_entry(engine: Engine, container: str, path: str) -> EntryEvidence:
    """What a container runs first: its kind, its interpreter, and whether that is there."""
    file = read_head(engine, container, path)
    if file is None:
        return EntryEvidence(path, "missing")
    if file.directory:
        return EntryEvidence(path, "directory")
    executable = bool(stat.S_IMODE(file.mode) & 0o111)
    if file.head.startswith(b"\x7fELF"):
        loader = _loader(file.head)
        return EntryEvidence(
            path,
            "elf",
            executable,
            interpreter=loader,
            interpreter_missing=_is_missing(engine, container, loader),
            architecture=_ELF.get(int.from_bytes(file.head[18:20], _order(file.head)), ""),
        )
    first, _, _ = file.head.partition(b"\n")
    crlf = first.endswith(b"\r")
    if not first.startswith(b"#!"):
        return EntryEvidence(path, "text" if b"\0" not in file.head else "", executable, crlf)
    words = first[2:].decode(errors="replace").split()
    interpreter = words[0] if words else ""
    missing = _is_missing(engine, container, interpreter)
    return EntryEvidence(path, "script", executable, crlf, interpreter, interpreter_missing=missing)


def _is_missing(engine: Engine, container: str, path: str) -> bool:
    return path.startswith("/") and read_head(engine, container, path) is None


def _order(head: bytes) -> Any:
    return "big" if head[5] == 2 else "little"


def _loader(head: bytes) -> str:
    """The loader that an ELF program names; empty for a static one."""
    if head[4] != 2 or head[5] != 1:
        return ""
    with suppress(struct.error):
        (offset,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        for number in range(count):
            place = offset + number * size
            (kind,) = struct.unpack_from("<I", head, place)
            if kind == _LOADER:
                begin, length = struct.unpack_from("<Q", head, place + 8)[0], 0
                (length,) = struct.unpack_from("<Q", head, place + 32)
                return head[begin : begin + length].rstrip(b"\0").decode(errors="replace")
    return ""
