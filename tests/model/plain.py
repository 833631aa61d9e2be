"""What must be, in plain words: no database, no engine, no worker.

It knows what was asked for and granted, and from that alone who holds what, what a
request must be refused for, and which moves of a window are right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain import errors
from app.domain.enums import Role, State
from app.domain.planning import StackSpec

DAY = timedelta(hours=24)
WAYS = {
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
class Promise:
    """A window: to whom, what, until when, and what has become of it."""

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
    """Did it ever hold what it promises? One that waited in vain never did."""
    unwanted: bool = False
    """Somebody asked for it to be closed."""
    forced: bool = False
    ended_at: datetime | None = None

    def live(self, at: datetime) -> bool:
        """Does it hold its services? One that waits holds nothing."""
        return self.state is not State.WAITING and self.running(at)

    def running(self, at: datetime) -> bool:
        return self.began <= at < self.deadline and (self.ended_at is None or at < self.ended_at)


@dataclass
class Plain:
    """All promises of a house."""

    stacks: dict[str, StackSpec]
    rejected: set[str] = field(default_factory=set)
    promises: dict[str, Promise] = field(default_factory=dict)
    by_hand: set[tuple[str, str]] = field(default_factory=set)
    """What a hand has started after its off was confirmed, and no window has held since."""
    keys: dict[tuple[str, str], tuple[object, str, datetime]] = field(default_factory=dict)

    def wanted(self, stack: str, service: str, at: datetime) -> bool:
        return any(
            one.live(at) and one.stack == stack and service in one.held for one in self.promises.values()
        )

    def begun(self, promise: Promise) -> None:
        """From here on its services owe an off, whoever has started them."""
        promise.state, promise.held_ever = State.OPENING, True
        self.by_hand -= {(promise.stack, name) for name in promise.held}

    def closure(self, stack: str, services: list[str]) -> set[str]:
        known, found, todo = self.stacks[stack].services, set[str](), list(services)
        while todo:
            one = known[todo.pop()]
            if one.name not in found and one.role is not Role.CORE:
                found.add(one.name)
                todo += [name for name in one.depends_on if name not in one.optional]
        return found

    # What a request must be answered with: None is a yes.

    def repeated(self, actor: str, key: str | None, now: datetime) -> tuple[object, str] | None:
        body, window, at = self.keys.get((actor, key or ""), (None, "", now - DAY))
        return None if key is None or at <= now - DAY else (body, window)

    def opening(self, stack: str, services: list[str], ttl: float | None) -> Refused | None:
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
        return self._ttl(ttl, spec.max_ttl)

    def _ttl(self, ttl: float | None, most: float) -> Refused | None:
        if ttl is not None and not 0 < ttl < float("inf"):
            return errors.BadTTL
        return errors.TTLTooLong if ttl is not None and ttl > most else None

    def extending(self, window: str, ttl: float, actor: str, now: datetime) -> Refused | None:
        promise = self.promises.get(window)
        if not 0 < ttl < float("inf"):
            return errors.BadTTL
        if promise is None:
            return errors.UnknownWindow
        if not promise.running(now):
            return errors.TimeIsUp
        used = 0.0 if promise.state is State.WAITING else (now - promise.began).total_seconds()
        if ttl > self.stacks[promise.stack].max_ttl - used:
            return errors.TTLTooLong
        shorter = now + timedelta(seconds=ttl) < promise.deadline
        return errors.WouldShorten if shorter and actor != promise.actor else None

    def extended(self, window: str, deadline: datetime, now: datetime) -> None:
        promise = self.promises[window]
        promise.deadline = deadline
        if promise.state is State.WAITING:
            promise.ttl = (deadline - now).total_seconds()

    def closing(self, window: str) -> Refused | None:
        return None if window in self.promises else errors.UnknownWindow
