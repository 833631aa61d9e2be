"""A daemon thread that repeats one function, with a pause between two rounds, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class PeriodicThread:
    """Repeats `work` in a thread. `work` must not raise: run it with a `LoopGuard`."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        pause: Callable[[], float],
        *,
        stopping: threading.Event | None = None,
        pause_first: bool = True,
    ) -> None:
        """`pause` returns the seconds to wait after a round; with `pause_first` also before the first one.

        Several threads may share `stopping`: setting it ends all of them. If None, the thread has its own.
        """
        self._work, self._pause, self._pause_first = work, pause, pause_first
        self._stopping = stopping or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether the thread has been asked to stop."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread. It can be started once."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Begin no further round, and wait at most `timeout` seconds for the current one."""
        self._stopping.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        if self._pause_first:
            self._stopping.wait(self._pause())
        while not self._stopping.is_set():
            self._work()
            self._stopping.wait(self._pause())
