"""When containers restarted, which the engine does not tell: it only counts.

Each time a count is seen to have grown, the container's start is remembered as the
moment. What had happened before the first look is placed as well as can be: the
last restart at the container's start, those before it at its creation.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from app.domain.readiness import Container

KEPT = 2


class Restarts:
    """A memory of restarts, by container."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, tuple[datetime, ...]]] = {}
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()

    def remember(self, container: Container) -> Container:
        """The same container, with the times of its last restarts."""
        with self._lock:
            count, times = self._seen.get(container.id, (0, ()))
            if container.restarts < count:  # Started anew by hand: the engine counts from zero again.
                count, times = 0, ()
            grown = min(container.restarts - count, KEPT)
            times = (*times, *_times(container, grown))[-KEPT:]
            self._seen[container.id] = (container.restarts, times)
            return replace(container, restarted=times, exit_code=self._exit_code(container))

    def heard(self, container: str, exit_code: int) -> None:
        """A container has died; once it runs again, the engine no longer tells how."""
        with self._lock:
            self._codes[container] = exit_code

    def _exit_code(self, container: Container) -> int:
        return container.exit_code or (self._codes.get(container.id, 0) if container.restarts else 0)

    def forget_all_but(self, containers: set[str]) -> None:
        with self._lock:
            self._seen = {one: seen for one, seen in self._seen.items() if one in containers}
            self._codes = {one: code for one, code in self._codes.items() if one in containers}


def _times(container: Container, grown: int) -> list[datetime]:
    last = container.started_at or container.created_at
    first = container.created_at or last
    if not grown or last is None or first is None:
        return []
    return [first] * (grown - 1) + [last]
