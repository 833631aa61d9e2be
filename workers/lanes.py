"""How many windows may be worked on at the same time, opening and closing apart.

Closing has room of its own, so it never queues behind opening, and what is left of
the pool's threads is always there for the sweep. A full lane turns work away rather
than making it wait: the row stays, and whoever leaves the lane looks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

OPENING, CLOSING = 8, 24


class Lane:
    """Room for so many at once."""

    def __init__(self, room: int) -> None:
        self._room = threading.BoundedSemaphore(room)

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """True where there was room, which is given back at the end."""
        if not self._room.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._room.release()
