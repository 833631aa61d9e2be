"""The lock of a data directory, and the record of the processes that its standalone started.

The kernel releases the lock with its holder, so a second standalone is refused exactly while the first
one lives. The record outlives a killed supervisor: its successor reads which processes are left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.host import private_files, processes
from app.host.boot_clock import boot_id
from app.host.processes import Process
from app.standalone.children import PROCESS_MARK
from power_windows.errors import Refused

BROKER = "broker"


class Lock:
    """Held for as long as this process lives. Children do not inherit it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / "standalone.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, url: str) -> None:
        """Raises Refused, which names the one that holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(self._refusal()) from error
        self.tell(url)

    def tell(self, url: str) -> None:
        """Write what a second standalone prints about this one; on a full disk less of it."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def release(self) -> None:
        """Let another standalone use the data directory."""
        os.close(self._file)

    def _refusal(self) -> str:
        held = _json(self._path)
        pid, url = held.get("pid", "unknown"), held.get("url", "unknown")
        return (
            f"a standalone already runs on {self._data_dir}: process {pid}, {url}; "
            f"stop it with `kill {pid}`, or choose another directory with --data-dir"
        )


@dataclass
class Record:
    """The children that a supervisor has started and not yet reaped, in a file."""

    path: Path
    children: dict[str, Process] = field(default_factory=dict)

    def add(self, name: str, process: Process) -> None:
        """Record a child that was started."""
        self.children[name] = process
        self._write()

    def remove(self, name: str) -> None:
        """Remove a child that has ended."""
        self.children.pop(name, None)
        self._write()

    def _write(self) -> None:
        children = {name: asdict(process) for name, process in self.children.items()}
        # On a full disk the children matter more than the record: a successor still knows them by their mark.
        with contextlib.suppress(OSError):
            private_files.replace_if_changed(
                self.path, json.dumps({"boot": boot_id(), "children": children}) + "\n"
            )


def left_over(path: Path) -> dict[str, Process]:
    """Return the recorded children of a former supervisor that still live."""
    record = _json(path)
    if record.get("boot") != boot_id():
        return {}
    recorded = {name: Process(**child) for name, child in record.get("children", {}).items()}
    return {name: process for name, process in recorded.items() if processes.alive(process)}


def strays(data_dir: Path) -> set[Process]:
    """Return all processes with the mark of this directory, recorded or not."""
    return processes.processes_with(PROCESS_MARK, str(data_dir))


def end(left: dict[str, Process], data_dir: Path, patience: float = 10.0) -> None:
    """End a tree that has lost its supervisor: the broker last, so that the others can finish."""
    others = {process for name, process in left.items() if name != BROKER}
    _end(others, patience)
    _end({process for name, process in left.items() if name == BROKER}, patience)
    stray = strays(data_dir)
    for process in stray:
        processes.send(process, signal.SIGKILL)
    processes.wait_gone(stray, 5.0)


def _end(some: set[Process], patience: float) -> None:
    """Each leads a group of its own, and only while it lives is the group known to be its own."""
    some = {process for process in some if processes.alive(process)}
    groups = {member for process in some for member in processes.in_group(process.pid)}
    for process in some:
        processes.send(process, signal.SIGTERM)
    processes.wait_gone(some, patience)
    for member in groups:
        processes.send(member, signal.SIGKILL)
    processes.wait_gone(groups, 5.0)


def _json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
