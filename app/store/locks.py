"""The per-service lock: a `flock` on a file that all workers of an engine share.

The descriptor is passed on to the compose process, so the lock is held until the
last of its family is gone, even where the worker is not there to see it. For that
reason it is only ever released by closing the descriptor, never by unlocking.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.host import private_files

SHARED_LOCK = "~shared"
"""Guards what all services of a project share: its networks and volumes. No service can have this name."""


WORKER = "worker"
"""Stands for the project in the lock that a worker holds for as long as it lives."""
DIRECTORY_ID = "id"
"""The file of a lock directory that tells it from another."""


def is_free(directory: Path, project: str, service: str) -> bool:
    """Does no process hold this lock? A lock whose file is gone is free, and no file is made."""
    if not path(directory, project, service).exists():
        return True
    with hold_lock(directory, project, service) as free:
        return free is not None


def path(directory: Path, project: str, service: str) -> Path:
    """The lock file of one service."""
    return directory / f"{project}.{service}.lock"


@contextmanager
def hold_lock(directory: Path, project: str, service: str, *, wait: bool = False) -> Iterator[int | None]:
    """The lock's descriptor, or None where another process holds it and `wait` is not set."""
    descriptor = _open(path(directory, project, service))
    try:
        yield descriptor if _take(descriptor, wait) else None
    finally:
        os.close(descriptor)


def _open(at: Path) -> int:
    private_files.make_directory(at.parent)
    return os.open(at, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
