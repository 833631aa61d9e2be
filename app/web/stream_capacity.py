"""A limit on the requests that block a thread for long: streams and waits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.stack_id import DEFAULT_NAMESPACE

NAMESPACE_SHARE = 4
"""A namespace has at most one part of so many of a limit, so that refusals do not show what others do."""


class StreamCapacity:
    """Counts the requests of one kind that run now; refuses more than `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit, self.in_use = limit, 0
        self._in_use_by: Counter[str] = Counter()
        self._lock = threading.Lock()

    def limit_of(self, namespace: str) -> int:
        """How many requests of callers of this namespace may run at once."""
        if namespace == DEFAULT_NAMESPACE:
            return self.limit
        return min(self.limit, max(1, self.limit // NAMESPACE_SHARE))

    def acquire(self, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Count one more request of a namespace, to be released later; False at the limit."""
        with self._lock:
            if self.in_use >= self.limit or self._in_use_by[namespace] >= self.limit_of(namespace):
                return False
            self.in_use += 1
            self._in_use_by[namespace] += 1
            return True

    def release(self, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Count one request less of a namespace."""
        with self._lock:
            self.in_use -= 1
            self._in_use_by[namespace] -= 1

    @contextmanager
    def hold(self, namespace: str = DEFAULT_NAMESPACE) -> Iterator[bool]:
        """Acquire for the length of a block, whose value is False at the limit."""
        acquired = self.acquire(namespace)
        try:
            yield acquired
        finally:
            if acquired:
                self.release(namespace)
