"""Processes by identity: a process id and the kernel tick of its start.

The kernel reuses process ids, so no signal here goes by the id alone. A zombie counts as ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in kernel ticks since boot."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """What /proc says of a process at one moment."""

    process: Process
    state: str
    parent: int
    group: int
    session: int


def read_process(pid: int) -> ProcessTable | None:
    """Return the kernel's record of a process; None if it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in brackets, which may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    return ProcessTable(
        Process(pid, int(fields[19])),
        fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
    )


def living() -> Iterator[ProcessTable]:
    """Every process that is not dead."""
    return (sight for sight in every() if sight.state not in "ZX")


def every() -> Iterator[ProcessTable]:
    """Every process of this process namespace, dead ones that are not reaped included."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (sight := read_process(int(entry.name))):
            yield sight


def alive(process: Process) -> bool:
    """True while this very process runs, and not only one of the same number."""
    sight = read_process(process.pid)
    return sight is not None and sight.process == process and sight.state not in "ZX"


def in_group(group: int) -> set[Process]:
    """The processes of a process group."""
    return {sight.process for sight in living() if sight.group == group}


def descendants(pid: int) -> set[Process]:
    """The family below a process, for as long as each parent lives."""
    sights, processes = list(living()), set[Process]()
    parents = {pid}
    while parents:
        children = {sight.process for sight in sights if sight.parent in parents}
        processes |= children
        parents = {child.pid for child in children}
    return processes


def processes_with(variable: str, value: str) -> set[Process]:
    """Processes that were started with this environment variable, save our own line of ancestors."""
    wanted = f"{variable}={value}".encode()
    ancestors = set(_line(os.getpid()))
    return {
        sight.process
        for sight in living()
        if sight.process.pid not in ancestors and wanted in _environment(sight.process.pid)
    }


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to this very process; nothing where it has ended."""
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def kill_group(group: int) -> None:
    """Kill a process group; nothing where it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def wait_gone(some: Iterable[Process], seconds: float) -> set[Process]:
    """Wait until all these processes have ended; return those that have not."""
    deadline = time.monotonic() + seconds
    left = {process for process in some if alive(process)}
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {process for process in left if alive(process)}
    return left


def _line(pid: int) -> Iterator[int]:
    while pid > 0 and (sight := read_process(pid)):
        yield pid
        pid = sight.parent


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        # Gone meanwhile, or another user's.
        return []
