"""Detect changes that only a repair has found, and that no event, call or request announced.

The idle poll and the resync repair what was lost. Where one of them moves a window or a
service, a trigger is missing, or an event was lost. A change is excused where the
event for it arrives a moment after the inspection, where the events were not being received, and where
a request or a call was handled at the same time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.enums import CloseReason, Power, State
from app.domain.stack_id import StackId
from app.store import services
from app.store import windows as rows
from app.store.tables import Call, Window

log = logging.getLogger(__name__)

EVENT_GRACE = timedelta(seconds=2)
"""How long after a look the event for what it saw may still arrive; how long a request or a call excuses."""
SEEN_FIRST = timedelta(seconds=0.2)
"""Seconds by which the engine may show a change before it sends the event."""


@dataclass(frozen=True, slots=True)
class ObservedState:
    """The services and unfinished windows of a stack, as far as an inspection can change them."""

    services: dict[str, tuple[Power, bool, bool]]
    windows: dict[str, tuple[State, object, bool]]
    busy: bool
    """Was a window asked for or ended, or a call begun or ended, a moment ago?"""

    @classmethod
    def of(cls, session: Session, stack: StackId, now: datetime) -> ObservedState:
        """Read the state of a stack's services and windows; locks the services' rows."""
        services.lock_services(session, stack)
        windows = rows.unfinished_windows(session, stack)
        return cls(
            {name: (row.power, row.ready, row.alive) for name, row in services.of(session, stack).items()},
            {one.id: (one.state, one.status, one.stuck) for one in windows},
            any(_moved_since(one, now - EVENT_GRACE) for one in windows)
            or _has_recent_call(session, stack, now - EVENT_GRACE),
        )

    def changes(self, session: Session, stack: StackId) -> UnexplainedChanges:
        """What has changed since then, in the same transaction."""
        powers = {}
        for name, row in services.of(session, stack).items():
            was = self.services.get(name)
            if was and _differs(was, (row.power, row.ready, row.alive)):
                powers[name] = f"{name} from {was[0]} to {row.power}"
        moved = []
        for window, before in self.windows.items():
            one = rows.get(session, window)
            if one and before != (one.state, one.status, one.stuck) and not _has_expired(one):
                moved.append(f"window {window} from {before[0]} to {one.state}")
        return (
            UnexplainedChanges()
            if self.busy
            else UnexplainedChanges(frozenset(powers), "; ".join([*powers.values(), *moved]))
        )


@dataclass(frozen=True, slots=True)
class UnexplainedChanges:
    """The services that one inspection changed, and a description of all changes; empty if none changed."""

    services: frozenset[str] = frozenset()
    description: str = ""


def _differs(was: tuple[Power, bool, bool], now: tuple[Power, bool, bool]) -> bool:
    # While the engine does not answer there are no events either.
    return was != now and Power.UNKNOWN not in {was[0], now[0]}


def _has_expired(window: Window) -> bool:
    """A deadline is the clock's to notice; whichever look comes first acts on it."""
    return window.state == State.CLOSING and window.close_reason == CloseReason.EXPIRED


def _moved_since(window: Window, moment: datetime) -> bool:
    moves = window.created_at, window.opening_at, window.opened_at, window.closing_at
    return any(at is not None and at > moment for at in moves)


def _has_recent_call(session: Session, stack: StackId, moment: datetime) -> bool:
    recent = Call.finished_at.is_(None) | (Call.finished_at > moment)
    return session.scalars(select(Call.id).where(Call.stack == stack, recent).limit(1)).first() is not None


@dataclass(slots=True)
class _Doubt:
    stack: StackId
    changes: UnexplainedChanges
    seen_at: datetime
    told_of: set[str]


class Repairs:
    """The changes that repairs have found and that may still be excused, and the count of the others.

    `heard_since`: since when the engine's events are received, None while they are not.
    """

    def __init__(self, count: Callable[[], None], heard_since: Callable[[], datetime | None]) -> None:
        self._count, self._heard_since = count, heard_since
        self._lock = threading.Lock()
        self._doubts: list[_Doubt] = []
        self._events: dict[tuple[str, str], datetime] = {}
        self.confirmed: list[str] = []
        """The first confirmed repairs, one sentence each."""

    def record_event(self, stack: StackId, service: str, at: datetime) -> None:
        """An event of this service has arrived, which the engine dates so."""
        with self._lock:
            self._events[stack, service] = at
            for doubt in self._doubts:
                if doubt.stack == stack and at <= doubt.seen_at + SEEN_FIRST:
                    doubt.told_of.add(service)

    def forget(self, stack: StackId) -> None:
        """Drop everything about a stack that is not served any more."""
        with self._lock:
            self._doubts = [one for one in self._doubts if one.stack != stack]
            for key in [key for key in self._events if key[0] == stack]:
                del self._events[key]

    def record_repair(self, stack: StackId, changes: UnexplainedChanges, seen_at: datetime) -> None:
        """A repair has changed this, by what the engine showed until then."""
        since = self._heard_since()
        if not changes.description or since is None or seen_at - since < EVENT_GRACE:
            return
        with self._lock:
            explained = {
                name
                for name in changes.services
                if (at := self._events.get((stack, name)))
                and seen_at - EVENT_GRACE <= at <= seen_at + SEEN_FIRST
            }
            self._doubts.append(_Doubt(stack, changes, seen_at, explained))

    def confirm(self, clock: Callable[[], datetime]) -> None:
        """Count the changes without an event in time, by the engine's clock."""
        if not self._doubts:
            return
        now = clock()
        with self._lock:
            due = [one for one in self._doubts if now - one.seen_at >= EVENT_GRACE]
            self._doubts = [one for one in self._doubts if now - one.seen_at < EVENT_GRACE]
        for doubt in due if self._heard_since() else ():
            if not _is_excused(doubt.changes.services, doubt.told_of):
                self._report(f"stack {doubt.stack}: {doubt.changes.description}")

    @property
    def has_unconfirmed_changes(self) -> bool:
        """Whether there is a change that an event may still explain."""
        return bool(self._doubts)

    def _report(self, what: str) -> None:
        self._count()
        if len(self.confirmed) < 100:
            self.confirmed.append(what)
        log.warning("only the idle poll or a resync has noticed a change: %s", what)


def _is_excused(changed: Collection[str], told_of: Iterable[str]) -> bool:
    return bool(changed) and set(changed) <= set(told_of)
