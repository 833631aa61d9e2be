"""The names of workers, and which of them are dead.

A worker holds a lock on its own file for as long as it lives. The kernel releases the lock when the
worker dies, so no timer decides that a worker is dead.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from app.host import processes
from app.store import locks

_SIGNED = 512
"""Bytes of what `sign` writes, which is filled up with blanks."""

log = logging.getLogger(__name__)


class Identity:
    """This worker's name, and its sign of life among all workers that share the lock directory."""

    def __init__(self, directory: Path, node: str) -> None:
        self.name = f"{node}-{os.getpid()}-{secrets.token_hex(4)}"
        self._directory = directory

    @contextmanager
    def living(self) -> Iterator[None]:
        """Be alive, for as long as this lasts. On a disk that takes no new file, others take us for dead."""
        with ExitStack() as sign_of_life:
            try:
                sign_of_life.enter_context(locks.hold_lock(self._directory, locks.WORKER, self.name))
            except OSError as error:
                log.error("%s: no sign of life can be kept here: %s", self._directory, error.strerror)
            try:
                yield
            finally:
                locks.path(self._directory, locks.WORKER, self.name).unlink(missing_ok=True)

    def dead(self, worker: str) -> bool:
        """Is the lock of that worker free, so that the worker is dead?"""
        if worker == self.name:
            return False
        return locks.is_free(self._directory, locks.WORKER, worker)


def locks_id(directory: Path) -> str:
    """Return the id of a lock directory, the same for all workers that share it under any path."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    at = directory / locks.DIRECTORY_ID
    if not at.exists():
        fresh = directory / f"{locks.DIRECTORY_ID}.{os.getpid()}"
        fresh.write_text(secrets.token_hex(16))
        # The first worker names the directory: a hard link does not replace an existing file.
        with suppress(FileExistsError):
            at.hardlink_to(fresh)
        fresh.unlink()
    return at.read_text().strip()


def sign(worker: str, lock: int, pid: int) -> None:
    """Write into a service's lock which process works under it, and for which worker.

    Raises OSError where the disk takes nothing.

    It is always as long, so that it goes where the last one was: that needs no room on a full disk.
    """
    written = json.dumps(
        {"pid": pid, "started": start_ticks(pid), "namespace": _namespace(), "worker": worker}
    )
    os.pwrite(lock, written.ljust(_SIGNED).encode(), 0)
    os.ftruncate(lock, _SIGNED)


def end_leftover(directory: Path, project: str, service: str, dead: Callable[[str], bool]) -> int | None:
    """Kill the family that a dead worker left working on a service; return its process group.

    A lost call does not say that: a worker that lives may have begun another under the same lock. Nor does a
    process id, since ids are used again: start time and process namespace must be those written down.
    """
    with locks.hold_lock(directory, project, service) as free:
        if free is not None:
            return None
    with suppress(OSError, ValueError, KeyError):
        signed = json.loads(locks.path(directory, project, service).read_text())
        pid = int(signed["pid"])
        # An earlier release wrote no worker down.
        left = "worker" not in signed or dead(str(signed["worker"]))
        if left and signed["namespace"] == _namespace() and _is_family(pid, signed["started"]):
            os.killpg(pid, signal.SIGKILL)
            return pid
    return None


def start_ticks(pid: int) -> str | None:
    """When a process started, in the kernel's ticks since boot; None where there is none."""
    seen = processes.read_process(pid)
    return str(seen.process.started) if seen else None


def _is_family(pid: int, when: str | None) -> bool:
    """Is this the recorded process or, if that has ended, a process group that it led?"""
    now = start_ticks(pid)
    if now is not None:
        return now == when
    return any(seen.group == pid for seen in processes.every())


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
