"""How many compose calls may run at once on this node, opening and closing apart.

A compose process costs processor time while it starts and little while it waits for the
engine. So the number of processes that *start* at once is bounded by the cores, and the
number that exist at once by the memory. A call that waits keeps its starting place for
`STARTING_FOR` seconds only: one slow service delays another by no more than that.

    submit(key, work) ---> queue ---> room? ---> a thread of its own ---> work

A call's own timeout begins when its process starts, never while it is queued.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from app.domain.throttling import CallBounds

log = logging.getLogger(__name__)

STARTING_FOR = 1.0
"""Seconds after which a call that still runs counts as waiting, no longer as starting."""
STARTS_PER_CORE, STOPS_PER_CORE = 4, 8
"""Processes that may start at once for each core. Stopping costs about half of what starting does."""
MOST_OPENING, MOST_CLOSING = 64, 256
"""Calls that run at once, at most. More starts at once would each run into their own timeout."""
LEAST = 8
MEMORY_OF_CALL = 16 * 2**20
"""Bytes that one compose process needs for itself while it waits; measured 6 to 12 MiB."""
SHARE_OF_MEMORY = 4
"""Compose processes together may take one part in this many of the host's memory."""

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Limits:
    """`starting`: processes that may start at the same time. `running`: processes that may exist."""

    starting: int
    running: int


def start_bounds(setting: CallBounds | None = None) -> CallBounds:
    """The fewest and the most starts at once: as set, else one and `STARTS_PER_CORE` for each core."""
    cores = os.cpu_count() or 1
    return setting or CallBounds(max(2, cores), STARTS_PER_CORE * cores)


def opening_limits(setting: CallBounds | None = None) -> Limits:
    """Bounds for starting services: by cores and memory, or `setting.most` calls at once."""
    if setting:
        return Limits(
            setting.most, max(setting.most, _by_memory(MOST_OPENING)) if _ranges(setting) else setting.most
        )
    return _limits(start_bounds().most, MOST_OPENING)


def closing_limits(setting: int | None = None) -> Limits:
    """Bounds for stopping services: by cores and memory, or `setting` calls at once."""
    return (
        Limits(setting, setting) if setting else _limits(STOPS_PER_CORE * (os.cpu_count() or 1), MOST_CLOSING)
    )


def _ranges(setting: CallBounds) -> bool:
    return setting.least < setting.most


def _limits(starting: int, most: int) -> Limits:
    running = _by_memory(most)
    return Limits(max(1, min(starting, running)), running)


def _by_memory(most: int) -> int:
    """How many compose processes the host's memory has room for, `most` at the most."""
    return max(LEAST, min(most, _memory() // SHARE_OF_MEMORY // MEMORY_OF_CALL))


def _memory() -> int:
    """Bytes of memory of this host."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class CallQueue:
    """Work that makes one compose call each, run in the order it came as far as the limits allow.

    Work of one key runs one after another; a key that waits already is not queued twice.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.limits = limits
        self._name = name
        self._changed = threading.Condition()
        self._queue: deque[tuple[Hashable, Work]] = deque()
        self._running: dict[Hashable, float] = {}
        """When each running work began, by `time.monotonic`."""
        self._dispatcher: threading.Thread | None = None
        self._closed = False

    def set_limits(self, limits: Limits) -> None:
        """From now on, go by these limits. What runs already goes on."""
        with self._changed:
            self.limits = limits
            self._changed.notify_all()

    def submit(self, key: Hashable, work: Work) -> None:
        """Run `work` as soon as there is room, in the caller's context (traces)."""
        context = contextvars.copy_context()
        with self._changed:
            if self._closed or any(queued == key for queued, _ in self._queue):
                return
            self._queue.append((key, lambda: context.run(work)))
            if self._dispatcher is None:
                self._dispatcher = threading.Thread(target=self._dispatch, name=self._name, daemon=True)
                self._dispatcher.start()
            self._changed.notify_all()

    def __contains__(self, key: Hashable) -> bool:
        """Is work of this key queued or running?"""
        with self._changed:
            return key in self._running or any(queued == key for queued, _ in self._queue)

    @property
    def running(self) -> int:
        """How many works run right now."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """How many works wait for room."""
        return len(self._queue)

    def answers(self, seconds: float = 1.0) -> bool:
        """Does it still take and begin work? False where its lock is not to be had for that long."""
        if not self._changed.acquire(timeout=seconds):
            return False
        self._changed.release()
        return True

    def close(self, *, wait: bool) -> None:
        """Begin nothing more; `wait` returns only when what runs has ended."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
            while wait and self._running:
                self._changed.wait()

    def _dispatch(self) -> None:
        with self._changed:
            while not self._closed:
                if chosen := self._next():
                    self._start(*chosen)
                else:
                    self._changed.wait(self._until_room())

    def _next(self) -> tuple[Hashable, Work] | None:
        """The first queued work whose key does not run, taken from the queue; None without room."""
        if len(self._running) >= self.limits.running or self._starting() >= self.limits.starting:
            return None
        for number, (key, work) in enumerate(self._queue):
            if key not in self._running:
                del self._queue[number]
                return key, work
        return None

    def _starting(self) -> int:
        since = time.monotonic() - STARTING_FOR
        return sum(began > since for began in self._running.values())

    def _until_room(self) -> float | None:
        """Seconds until a call counts as waiting, where that is what queued work waits for."""
        if not self._queue or not self._running:
            return None
        now = time.monotonic()
        left = [began + STARTING_FOR - now for began in self._running.values()]
        return min((one for one in left if one > 0), default=STARTING_FOR)

    def _start(self, key: Hashable, work: Work) -> None:
        self._running[key] = time.monotonic()
        thread = threading.Thread(target=self._run, args=(key, work), name=f"{self._name}-call", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No thread to be had: the row stays, and the watch submits the work again.
            log.exception("%s: no thread for %s", self._name, key)
            del self._running[key]

    def _run(self, key: Hashable, work: Work) -> None:
        try:
            work()
        except Exception:
            # One that breaks keeps no other from its turn.
            log.exception("%s: %s failed", self._name, key)
        finally:
            with self._changed:
                self._running.pop(key, None)
                self._changed.notify_all()
