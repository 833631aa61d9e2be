"""The state that the product must have, computed without a database, an engine or a worker.

It is computed from granted requests alone: which windows hold which services, which
requests must be refused, and which state transitions of a window are allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain import errors
from app.domain.enums import Role, State
from app.domain.planning import StackSpec

DAY = timedelta(hours=24)
TRANSITIONS = {
    (State.WAITING, State.OPENING),
    (State.WAITING, State.CLOSED),
    (State.OPENING, State.OPEN),
    (State.OPENING, State.CLOSING),
    (State.OPEN, State.CLOSING),
    (State.CLOSING, State.CLOSED),
}
LIVE = {State.OPENING, State.OPEN}
Refused = type[errors.Refusal]


@dataclass
class ExpectedWindow:
    """A granted window: its owner, services, deadline and state."""

    id: str
    stack: str
    services: list[str]
    held: set[str]
    actor: str
    began: datetime
    deadline: datetime
    ttl: float
    state: State = State.OPENING
    held_ever: bool = False
    """Did it ever hold its services? A window that was closed while waiting did not."""
    close_requested: bool = False
    forced: bool = False
    ended_at: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Does it hold its services? A waiting window holds none."""
        return self.state is not State.WAITING and self.is_running(at)

    def is_running(self, at: datetime) -> bool:
        return self.began <= at < self.deadline and (self.ended_at is None or at < self.ended_at)


@dataclass
class ExpectedState:
    """All stacks, windows and idempotency keys."""

    stacks: dict[str, StackSpec]
    rejected: set[str] = field(default_factory=set)
    windows: dict[str, ExpectedWindow] = field(default_factory=dict)
    by_hand: set[tuple[str, str]] = field(default_factory=set)
    """Services started without a window after their stop was confirmed, and held by no window since."""
    keys: dict[tuple[str, str], tuple[object, str, datetime]] = field(default_factory=dict)

    def is_wanted(self, stack: str, service: str, at: datetime) -> bool:
        return any(
            one.is_live(at) and one.stack == stack and service in one.held for one in self.windows.values()
        )

    def begin(self, expected: ExpectedWindow) -> None:
        """Move the window to `opening`: from now on its services must be stopped at its end."""
        expected.state, expected.held_ever = State.OPENING, True
        self.by_hand -= {(expected.stack, name) for name in expected.held}

    def closure(self, stack: str, services: list[str]) -> set[str]:
        services_of, names, todo = self.stacks[stack].services, set[str](), list(services)
        while todo:
            one = services_of[todo.pop()]
            if one.name not in names and one.role is not Role.CORE:
                names.add(one.name)
                todo += [name for name in one.depends_on if name not in one.optional]
        return names

    # Expected answers: a refusal, or None if the request must be granted.

    def first_request(self, actor: str, key: str | None, now: datetime) -> tuple[object, str] | None:
        body, window, at = self.keys.get((actor, key or ""), (None, "", now - DAY))
        return None if key is None or at <= now - DAY else (body, window)

    def refusal_of_open(self, stack: str, services: list[str], ttl: float | None) -> Refused | None:
        spec = self.stacks.get(stack)
        if spec is None:
            return errors.UnknownStack
        if stack in self.rejected:
            return errors.StackRejected
        if not services:
            return errors.NothingAsked
        if not set(services) <= spec.services.keys():
            return errors.UnknownServices
        if any(spec.services[name].role is not Role.ALLOWED for name in services):
            return errors.NotAllowed
        return self._refusal_of_ttl(ttl, spec.max_ttl)

    def _refusal_of_ttl(self, ttl: float | None, most: float) -> Refused | None:
        if ttl is not None and not 0 < ttl < float("inf"):
            return errors.BadTTL
        return errors.TTLTooLong if ttl is not None and ttl > most else None

    def refusal_of_extension(self, window: str, ttl: float, actor: str, now: datetime) -> Refused | None:
        expected = self.windows.get(window)
        if not 0 < ttl < float("inf"):
            return errors.BadTTL
        if expected is None:
            return errors.UnknownWindow
        if not expected.is_running(now):
            return errors.TimeIsUp
        used = 0.0 if expected.state is State.WAITING else (now - expected.began).total_seconds()
        if ttl > self.stacks[expected.stack].max_ttl - used:
            return errors.TTLTooLong
        shorter = now + timedelta(seconds=ttl) < expected.deadline
        return errors.WouldShorten if shorter and actor != expected.actor else None

    def extend(self, window: str, deadline: datetime, now: datetime) -> None:
        expected = self.windows[window]
        expected.deadline = deadline
        if expected.state is State.WAITING:
            expected.ttl = (deadline - now).total_seconds()

    def refusal_of_close(self, window: str) -> Refused | None:
        return None if window in self.windows else errors.UnknownWindow
