"""A bounded number of seats, for what holds a thread for long: streams and waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StreamCapacity:
    """A bounded number of places for requests that hold a thread for long."""

    def __init__(self, number: int) -> None:
        self.number, self.taken = number, 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Is there a seat? It is taken then, and to be left again."""
        with self._lock:
            if self.taken >= self.number:
                return False
            self.taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self.taken -= 1

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """A seat for a while, or False where none is left."""
        taken = self.take()
        try:
            yield taken
        finally:
            if taken:
                self.leave()
