"""Where a service's containers run: a Compose project on one engine.

A lease and a pending stop each name their location, since a stack's project, and the
engine behind an address, may change while they last. What is seen or stopped in one
location says nothing of another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.domain.stack_id import StackId


@dataclass(frozen=True, slots=True)
class Location:
    """A Compose project on one engine. An empty part is unknown, and agrees with any."""

    project: str = ""
    engine_id: str = ""

    def agrees(self, other: Location) -> bool:
        """Can these two be the same location?"""
        return _agree(self.project, other.project) and self.on_engine(other.engine_id)

    def __str__(self) -> str:
        on = f" on engine {self.engine_id}" if self.engine_id else ""
        return f"project {self.project!r}{on}"

    def on_engine(self, engine_id: str) -> bool:
        """True where this location is on that engine, or where one of the two is not known."""
        return _agree(self.engine_id, engine_id)


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


@dataclass(frozen=True, slots=True)
class Holding:
    """What ties a stack to one location: live windows there, and services whose stop is pending there.

    `core` are those of the services that are core by now, which nothing here stops.
    """

    location: Location
    windows: frozenset[str] = frozenset()
    pending_stops: frozenset[str] = frozenset()
    core: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Such as `window 3f2a and the off of forge, mill`."""
        windows = f"window {', '.join(sorted(self.windows))}" if self.windows else ""
        pending_stops = f"the off of {', '.join(sorted(self.pending_stops))}" if self.pending_stops else ""
        return " and ".join(part for part in (windows, pending_stops) if part)


def elsewhere(holdings: Iterable[Holding], here: Location) -> list[Holding]:
    """Those that are tied to another location than this one, on this engine first."""
    others = [one for one in holdings if not one.location.agrees(here)]
    return sorted(others, key=lambda one: (not one.location.on_engine(here.engine_id), one.location.project))


def why_not_moved(key: str, stack: StackId, here: Location, holdings: Collection[Holding]) -> str:
    """Return a line for a stack that is held elsewhere than `here`: what is held, and the remedy."""
    first = next(iter(holdings))
    there, held = first.location, str(first)
    let_go = f"or, if what ran there is gone, run `power relocate {stack}`"
    if not there.on_engine(here.engine_id):
        return (
            f"{key}: stack {stack!r} is not served on engine {here.engine_id}: {held} in project "
            f"{there.project!r} is on engine {there.engine_id}; start the worker with that engine "
            f"(DOCKER_HOST) until it is off, {let_go}"
        )
    end = f"close {'it' if len(first.windows) == 1 else 'them'} with `power close`, " if first.windows else ""
    core = f"; {', '.join(sorted(first.core))} is core and not stopped" if first.core else ""
    return (
        f"{key}.project: {here.project!r} is not in force: {held} is in project {there.project!r}{core}; "
        f"{end}wait until it is off, {let_go}"
    )
