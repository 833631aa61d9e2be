"""Which services an event of a container concerns, beside the one whose container it is.

A service that shares a namespace loses it with the container that has it, which may be two
steps away, in another project or in none. What the looks have seen is kept by service.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator

from app.domain.readiness import Container
from app.domain.stack_id import StackId

StackService = tuple[StackId, str]
"""A stack and a service of it."""


class AffectedServices:
    """The containers of each service and those whose namespaces they use, by their ids."""

    def __init__(self) -> None:
        self._own: dict[StackService, frozenset[str]] = {}
        self._owners: dict[StackService, frozenset[str]] = {}
        self._lock = threading.Lock()

    def note(self, stack: StackId, service: str, containers: Iterable[Container]) -> None:
        """A look has shown these containers of a service, and no others."""
        inspected = list(containers)
        with self._lock:
            self._own[stack, service] = frozenset(one.id for one in inspected)
            self._owners[stack, service] = frozenset(id for one in inspected for id in one.owners.values())

    def forget(self, stack: StackId) -> None:
        """Nothing of this stack is looked at any more."""
        with self._lock:
            for name in [name for name in self._own if name[0] == stack]:
                del self._own[name], self._owners[name]

    def by(self, container: str) -> set[StackService]:
        """The services whose this container is, and all that use a namespace through it."""
        with self._lock:
            names = {name for name, ids in self._own.items() if container in ids}
            new = names | set(self._users({container}))
            while new:
                names |= new
                new = set(self._users({id for name in new for id in self._own[name]})) - names
            return names

    def _users(self, containers: Collection[str]) -> Iterator[StackService]:
        return (name for name, owners in self._owners.items() if not owners.isdisjoint(containers))
