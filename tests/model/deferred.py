"""Stand-ins for a thread pool and a call queue, whose work runs only when a step asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any


class DeferredPool:
    """Stands in for `ThreadPoolExecutor`: keeps submitted work in a list."""

    def __init__(self, _workers: int, _name: str) -> None:
        self.work: list[Callable[[], None]] = []

    def submit(self, work: Callable[..., Any], *args: Any) -> None:
        self.work.append(lambda: work(*args))

    def shutdown(self, **_: Any) -> None:
        self.work.clear()


class DeferredCalls:
    """Stands in for `CallQueue`: keeps submitted calls, each key once."""

    def __init__(self, *_: object) -> None:
        self.waiting: dict[Hashable, Callable[[], None]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self.waiting

    def submit(self, key: Hashable, work: Callable[[], None]) -> None:
        self.waiting.setdefault(key, work)

    def run(self, which: int) -> None:
        """Make one call; log its exception, as the real queue does."""
        key = list(self.waiting)[which % len(self.waiting)]
        work = self.waiting.pop(key)
        try:
            work()
        except Exception:
            logging.getLogger("workers.state.concurrency").exception("%s failed", key)

    def answers(self) -> bool:
        return True

    def close(self, **_: Any) -> None:
        self.waiting.clear()
