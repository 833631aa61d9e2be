"""The files of a stack: whether they have changed, and the last accepted version of them.

Time, size and inode of each file show a change. The last accepted version is kept as compose
rendered it, with every variable filled in, so that a start never reads a refused version.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from app.domain.stack_id import StackId, file_part
from app.host import private_files

Stamp = tuple[tuple[str, int, int, int], ...]
_KEPT = "kept"
_OF_EACH = 3
"""Versions kept of each stack: other workers of the node may still use an older one."""


def stamp(paths: Iterable[Path]) -> Stamp:
    """Return path, mtime (ns), size and inode of each file; size -1 for one that cannot be read."""
    return tuple(_one(path) for path in paths)


def _one(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, -1, 0
    return str(path), status.st_mtime_ns, status.st_size, status.st_ino


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the files as they lie there, for what compose cannot even read."""
    checksum = hashlib.sha256()
    for path in paths:
        checksum.update(f"{path}\0".encode())
        try:
            checksum.update(path.read_bytes())
        except OSError as error:
            checksum.update(str(error.errno).encode())
    return checksum.hexdigest()


def store_rendered(directory: Path, stack: StackId, digest: str, rendered: str) -> Path:
    """Put a rendered configuration where a start finds it; it may hold secrets, so only we may read it."""
    folder = directory / _KEPT
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{file_part(stack)}@{digest[:16]}.json"
    if _reads(path, rendered):
        return path  # Nothing is written, so a full disk keeps no stack from being served.
    private_files.replace(path, rendered)
    _forget_older(folder, stack)
    return path


def _reads(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _forget_older(folder: Path, stack: StackId) -> None:
    versions = sorted(
        folder.glob(f"{file_part(stack)}@*.json"), key=lambda one: one.stat().st_mtime, reverse=True
    )
    for old in versions[_OF_EACH:]:
        old.unlink(missing_ok=True)
        shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def remove_unfinished(directory: Path) -> None:
    """Take away what a worker that was killed had half written."""
    for left in (directory / _KEPT).glob("*.new"):
        left.unlink(missing_ok=True)
