"""How many compose calls may start at once on a host that is as busy as this.

A host that is short of memory, or whose processes all wait for its disk, ends the same calls later the
more of them start at once. Busy processors are no reason to start fewer: measured with twice as
many computing processes as cores, four calls for each core were as fast as any other number, and fewer
were slower (`make bench`). Only an overload that endangers the calls' own timeouts lowers the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MEMORY_SHORT, MEMORY_TIGHT = 0.3, 0.1
"""Shares of the time in which some process waited for memory."""
FREE_SHORT, FREE_TIGHT = 0.03, 0.08
"""Shares of the host's memory that are still available."""
DISK_BUSY = 0.6
"""Share of the time in which every process that could run waited for the disk."""
OVERLOAD = 32.0
"""Processes for each core, on average of the last minute, that run or wait."""


@dataclass(frozen=True, slots=True)
class HostLoad:
    """How busy a host was a moment ago. A wait is None where the kernel does not measure it.

    `memory_wait`, `disk_wait` and `free_memory` are shares from 0 to 1; `load` is the number of processes
    for each core.
    """

    free_memory: float
    load: float
    memory_wait: float | None = None
    disk_wait: float | None = None


@dataclass(frozen=True, slots=True)
class CallBounds:
    """The fewest and the most compose calls that may start at once."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class CallLimit:
    """How many compose calls may start at once, and why not more; the reason is empty at the most."""

    number: int
    reason: str = ""


NO_LIMIT = CallLimit(0)
"""What a worker says that has not set its limit yet."""


def call_limit(bounds: CallBounds, load: HostLoad) -> CallLimit:
    """Return the limit for a host as busy as this: the most, half of that, or the least."""
    half = max(bounds.least, bounds.most // 2)
    if short := next(_shortages(load, MEMORY_SHORT, FREE_SHORT), ""):
        return CallLimit(bounds.least, short)
    if tight := next(_shortages(load, MEMORY_TIGHT, FREE_TIGHT), ""):
        return CallLimit(half, tight)
    if busy := next(_overloads(load), ""):
        return CallLimit(half, busy)
    return CallLimit(bounds.most)


def next_limit(current: int, target: CallLimit) -> CallLimit:
    """Return the next limit on the way to `target`: down at once, up by doubling."""
    number = min(target.number, max(1, current) * 2)
    if number == target.number:
        return target
    return CallLimit(number, target.reason or "the host was busy a moment ago")


def _shortages(load: HostLoad, waits: float, free: float) -> Iterator[str]:
    if load.memory_wait is not None and load.memory_wait >= waits:
        yield f"processes waited for memory {load.memory_wait:.0%} of the time"
    if load.free_memory <= free:
        yield f"{load.free_memory:.0%} of the host's memory is available"


def _overloads(load: HostLoad) -> Iterator[str]:
    if load.disk_wait is not None and load.disk_wait >= DISK_BUSY:
        yield f"all processes waited for the disk {load.disk_wait:.0%} of the time"
    if load.load >= OVERLOAD:
        yield f"{load.load:.0f} processes for each core run or wait"
