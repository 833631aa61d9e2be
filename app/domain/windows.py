"""How a window may move.

A window is a promise that some services stay powered until a moment in time. It
only ever moves forward, so every window ends:

    waiting ---> opening ---> open ---> closing ---> closed
       \\            \\__________________^             ^
        \\___________________________________________/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.domain.enums import Power, State, Status

_NEXT = {
    State.WAITING: {State.OPENING, State.CLOSED},
    State.OPENING: {State.OPEN, State.CLOSING},
    State.OPEN: {State.CLOSING},
    State.CLOSING: {State.CLOSED},
    State.CLOSED: set[State](),
}
LIVE = frozenset({State.OPENING, State.OPEN})
ENDED = frozenset({State.CLOSING, State.CLOSED})


class Backwards(Exception):
    """A window was asked to move in a way it cannot; a fault of ours, never of a user."""


def may_move(now: State, to: State) -> bool:
    """May a window in state `now` go to state `to` in one step?"""
    return to in _NEXT[now]


def move(now: State, to: State) -> State:
    """The new state; raises Backwards where there is no such way."""
    if not may_move(now, to):
        raise Backwards(f"a window cannot go from {now} to {to}")
    return to


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """What one leased service of a window is doing, and what it waits for if it has not begun."""

    service: str
    power: Power
    ready: bool
    detail: str = ""

    @property
    def settled(self) -> bool:
        """Is the opening of this service over, one way or the other?"""
        return self.ready or self.power is Power.FAILING


def status(asked: Iterable[ServiceHealth], along: Iterable[ServiceHealth] = ()) -> Status | None:
    """How an opening went; None while that may still change.

    `asked`: the services that were asked for; `along`: the dependencies opened with them. The
    opening has failed as soon as nothing that was asked for can get ready any more, and has
    gone well only when the whole closure is ready.
    """
    healths = list(asked)
    if not all(health.settled for health in healths):
        return None
    if not any(health.ready for health in healths):
        return Status.FAIL
    healths += along
    if not all(health.settled for health in healths):
        return None
    return Status.OK if all(health.ready for health in healths) else Status.PARTIAL


def present_status(healths: Iterable[ServiceHealth]) -> Status:
    """Return the present status of an open window. It is never `fail`, since the window was open once."""
    return Status.OK if all(health.ready for health in healths) else Status.PARTIAL


def extendable(state: State, deadline: datetime, now: datetime) -> bool:
    """True past the deadline, whether or not a process has recorded it."""
    return state in LIVE | {State.WAITING} and deadline > now
