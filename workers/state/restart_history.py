"""When containers restarted. The engine only counts restarts and does not date them.

When the count of a container has grown, the history stores the container's start time. Restarts before
the first inspection get an estimate: the last one the start time of the container, the others its
creation time.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.readiness import Container

REMEMBERED_RESTARTS = 2
"""Restarts whose times are remembered of each container."""


@dataclass(slots=True)
class _Service:
    """The history of one service's containers, by their ids."""

    seen: dict[str, tuple[int, tuple[datetime, ...]]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    def exit_code(self, container: Container) -> int:
        return container.exit_code or (self.codes.get(container.id, 0) if container.restarts else 0)

    def keep(self, containers: Collection[str]) -> bool:
        """Keep these containers alone; False where nothing is left."""
        self.seen = {one: seen for one, seen in self.seen.items() if one in containers}
        self.codes = {one: code for one, code in self.codes.items() if one in containers}
        return bool(self.seen or self.codes)


class RestartHistory:
    """The history of restarts, by service and container; it has no removed containers."""

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], _Service] = {}
        self._lock = threading.Lock()

    def remember(self, project: str, container: Container) -> Container:
        """The same container, with the times of its last restarts."""
        with self._lock:
            history = self.services.setdefault((project, container.service), _Service())
            count, times = history.seen.get(container.id, (0, ()))
            if container.restarts < count:  # A person started it: the engine counts from zero again.
                count, times = 0, ()
            grown = min(container.restarts - count, REMEMBERED_RESTARTS)
            times = (*times, *_times(container, grown))[-REMEMBERED_RESTARTS:]
            history.seen[container.id] = (container.restarts, times)
            return replace(container, restarted=times, exit_code=history.exit_code(container))

    def record_death(self, project: str, service: str, container: str, exit_code: int) -> None:
        """Store the exit code of a container: once it runs again, the engine no longer has it."""
        with self._lock:
            self.services.setdefault((project, service), _Service()).codes[container] = exit_code

    def forget_gone(self, project: str, services: Iterable[str], there: Collection[str]) -> None:
        """Drop the history of containers of these services that no longer exist."""
        with self._lock:
            for service in services:
                if (history := self.services.get((project, service))) and not history.keep(there):
                    del self.services[project, service]

    def forget_services(self, project: str, but: Collection[str] = ()) -> None:
        """Drop a project's services but for these."""
        with self._lock:
            for key in [one for one in self.services if one[0] == project and one[1] not in but]:
                del self.services[key]


def _times(container: Container, grown: int) -> list[datetime]:
    last = container.started_at or container.created_at
    first = container.created_at or last
    if not grown or last is None or first is None:
        return []
    return [first] * (grown - 1) + [last]
