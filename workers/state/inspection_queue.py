"""The queue of inspections: which stack, which of its services, when, and what asked for it.

An event, a call that ended, a request, a timer of a verdict or a poll marks a stack. Marks of one stack are
merged into one request until an inspection takes it, so many events cost one inspection. The idle poll and
the resync only repair what was lost: where one of them alone finds a change, an event or a mark was missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.stack_id import StackId

POLL_MOVING, POLL_IDLE = 1.0, 60.0
"""Seconds between inspections of a whole stack without an event: while a window moves, and otherwise."""
LOOK_SHARE = 20
"""While a window moves, inspections of whole stacks take at most one part in this many of the time."""


class Trigger(StrEnum):
    """What asked for an inspection."""

    START = "start"
    """The worker started, or opened the engine's event stream again."""
    EVENT = "event"
    CALL = "call"
    """A compose call has ended, or found that the database is out of date."""
    REQUEST = "request"
    """A window was opened or closed, or its stack was read again."""
    TIMER = "timer"
    """A verdict may have changed by the passing of time."""
    POLL = "poll"
    """The poll of a stack where something moves."""
    IDLE = "idle poll"
    RESYNC = "resync"


REPAIRS = frozenset({Trigger.IDLE, Trigger.RESYNC})
"""Triggers that no ordinary change may depend on."""


@dataclass(slots=True)
class InspectionRequest:
    """The services of one stack to look at; None for all of them."""

    services: set[str] | None = field(default_factory=set)
    triggers: set[Trigger] = field(default_factory=set)

    def add(self, services: Iterable[str] | None, triggers: Iterable[Trigger]) -> None:
        """Add services (None: all of the stack) and the triggers that ask for them."""
        self.triggers.update(triggers)
        if services is None:
            self.services = None
        elif self.services is not None:
            self.services.update(services)

    @property
    def is_repair(self) -> bool:
        """Did nothing but the idle poll or a resync ask for this?"""
        return self.triggers <= REPAIRS


class InspectionQueue:
    """The requested and planned inspections of a worker; safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._marked: dict[StackId, InspectionRequest] = {}
        self._handed: dict[StackId, InspectionRequest] = {}
        """Requests that a look is about to take."""
        self._polls: dict[StackId, tuple[float, Trigger]] = {}
        self._timers: dict[StackId, dict[str, float]] = {}
        """By stack and service: when a verdict may change by itself."""
        self._whole_at: dict[StackId, float] = {}
        """When each stack was last looked at as a whole."""

    def mark(self, stack: StackId, services: Iterable[str] | None, trigger: Trigger) -> None:
        """Ask for a look at these services of a stack (None: all), as soon as may be."""
        with self._changed:
            self._marked.setdefault(stack, InspectionRequest()).add(services, [trigger])
            self._changed.notify_all()

    def wait(self) -> None:
        """Return once something is marked or due, or after `POLL_MOVING` seconds."""
        with self._changed:
            if not self._marked:
                self._changed.wait(max(0.0, min(self._until_due(), POLL_MOVING)))

    def wake(self) -> None:
        """Let `wait` return."""
        with self._changed:
            self._changed.notify_all()

    def take_due(self) -> list[StackId]:
        """The stacks whose inspection is due; each inspection then takes its request with `take`."""
        with self._changed:
            self._mark_due()
            stacks = sorted(self._marked)
            for stack in stacks:
                request = self._marked.pop(stack)
                self._handed.setdefault(stack, InspectionRequest()).add(request.services, request.triggers)
            return stacks

    def take(self, stack: StackId) -> InspectionRequest | None:
        """What to inspect now; None where an earlier inspection has taken it."""
        with self._changed:
            return self._handed.pop(stack, None)

    def plan(
        self,
        stack: StackId,
        request: InspectionRequest,
        again: Mapping[str, float],
        *,
        moving: bool,
        took: float,
    ) -> None:
        """Plan the inspections after one that took `took` seconds.

        `again`: seconds until a verdict may change without an event, by service. `moving`: a window of
        the stack is opening, or a stop is pending.
        """
        with self._changed:
            now = self._clock()
            timers = self._timers.setdefault(stack, {})
            for service in list(timers) if request.services is None else request.services:
                timers.pop(service, None)
            timers.update({service: now + max(0.0, seconds) for service, seconds in again.items()})
            if request.services is None:
                self._whole_at[stack] = now
            if moving:
                self._polls[stack] = now + max(POLL_MOVING, took * LOOK_SHARE), Trigger.POLL
            else:
                self._polls[stack] = self._whole_at.get(stack, now) + POLL_IDLE, Trigger.IDLE

    def retry(self, stack: StackId, seconds: float) -> None:
        """An inspection has failed: inspect the whole stack again after so many seconds."""
        with self._changed:
            self._polls[stack] = self._clock() + seconds, Trigger.POLL

    def forget(self, stack: StackId) -> None:
        """Drop everything about a stack that is not served any more."""
        with self._changed:
            for by_stack in (self._marked, self._handed, self._polls, self._timers, self._whole_at):
                by_stack.pop(stack, None)

    def drop_polls(self) -> None:
        """Forget every planned poll; marks and timers stay."""
        with self._changed:
            self._polls.clear()

    def _mark_due(self) -> None:
        now = self._clock()
        for stack, (at, trigger) in list(self._polls.items()):
            if at <= now:
                self._marked.setdefault(stack, InspectionRequest()).add(None, [trigger])
                # Where the look fails, it is tried again.
                self._polls[stack] = now + POLL_MOVING, Trigger.POLL
        for stack, timers in self._timers.items():
            late = [service for service, at in timers.items() if at <= now]
            for service in late:
                del timers[service]
            if late:
                self._marked.setdefault(stack, InspectionRequest()).add(late, [Trigger.TIMER])

    def _until_due(self) -> float:
        now = self._clock()
        polls = [at for at, _ in self._polls.values()]
        timers = [at for timers in self._timers.values() for at in timers.values()]
        return min((*polls, *timers), default=now + POLL_MOVING) - now
