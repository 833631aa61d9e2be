"""A limit on the requests that block a thread for long: streams and waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StreamCapacity:
    """Counts the requests of one kind that run now; refuses more than `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit, self.in_use = limit, 0
        self._lock = threading.Lock()

    def acquire(self) -> bool:
        """Count one more request, to be released later; False at the limit."""
        with self._lock:
            if self.in_use >= self.limit:
                return False
            self.in_use += 1
            return True

    def release(self) -> None:
        """Count one request less."""
        with self._lock:
            self.in_use -= 1

    @contextmanager
    def hold(self) -> Iterator[bool]:
        """Acquire for the length of a block, whose value is False at the limit."""
        acquired = self.acquire()
        try:
            yield acquired
        finally:
            if acquired:
                self.release()
