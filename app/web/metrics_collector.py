"""What the trail has told since Prometheus first asked: durations, outcomes, and time saved.

Each front counts for itself, from the entries beyond its own place in the trail, which
misses nothing; so a scrape costs by what has happened since the last one, and never more
than a page. What is left over is for the next.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from threading import Lock

from prometheus_client import Counter, Histogram, Metric
from sqlalchemy.orm import Session

from app.domain.enums import Action, CallStatus, Event
from app.store import audit, savings, windows
from app.store.tables import Entry
from app.usecases.windows import transitions

ENTRIES_PER_SCRAPE = 5_000
"""Entries taken in at one scrape at most."""
OTHER = "other"
_ENDS = {Action.PRE_STOP, Action.STOP, Action.KILL}
"""Services that no stack has (any more): whatever they were called, they make one series."""

_CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LATE_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_READY_SECONDS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class MetricsCollector:
    """The figures; `take_in` brings them up to date."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._place: dict[str, int] | None = None
        self._counted_to: datetime | None = None
        self._due: dict[str, datetime] = {}
        """The deadline of each window that closes by it and has seen no stop yet."""
        self._known: Collection[savings.ServiceOfStack] = ()
        by_call = ["stack", "service", "action", "status"]
        self._calls = Counter("power_calls", "Compose calls that ended.", ["action", "status"], registry=None)
        self._took = Histogram(
            "power_call_duration_seconds",
            "How long compose calls took, by service and how they ended.",
            by_call,
            buckets=_CALL_SECONDS,
            registry=None,
        )
        self._late = Histogram(
            "power_expiry_lateness_seconds",
            "From a window's deadline to the start of the first call that stops something of it.",
            ["stack"],
            buckets=_LATE_SECONDS,
            registry=None,
        )
        self._ready = Histogram(
            "power_window_ready_seconds",
            "From the start of a window's opening until it was open.",
            ["stack"],
            buckets=_READY_SECONDS,
            registry=None,
        )
        self._saved = Counter(
            "power_saved_service_seconds",
            "Seconds that services were off which would run always without windows.",
            ["stack", "service"],
            registry=None,
        )

    def figures(self) -> Iterator[Metric]:
        """What has been counted so far."""
        for one in (self._calls, self._took, self._late, self._ready, self._saved):
            yield from one.collect()

    def take_in(self, session: Session, now: datetime) -> None:
        """Count what has been told and saved since the last time; from now on, the first time."""
        with self._lock:
            if self._place is None:
                self._place, self._counted_to = audit.heads(session), now
                return
            self._save(session, now)
            self._go_on(session, self._place)

    def _save(self, session: Session, now: datetime) -> None:
        if self._counted_to is None or now <= self._counted_to:
            return
        saved = savings.saved(session, self._counted_to, now)
        self._counted_to, self._known = now, saved.keys()
        for (stack, service), seconds in saved.items():
            self._saved.labels(stack, service).inc(seconds)

    def _go_on(self, session: Session, place: dict[str, int]) -> None:
        heads = audit.heads(session)
        for chain, seq in place.items():
            # A database that was restored may have gone back.
            place[chain] = min(seq, heads.get(chain, 0))
        found = audit.since(session, place, ENTRIES_PER_SCRAPE)
        opened = [entry.window_id for entry in found if entry.event == Event.WINDOW_OPEN and entry.window_id]
        began = windows.openings(session, opened)
        for entry in found:
            place[entry.chain] = entry.seq
            self._count(entry, began)

    def _count(self, entry: Entry, began: dict[str, datetime]) -> None:
        stack, window = entry.stack or OTHER, entry.window_id or ""
        match entry.event:
            case Event.CALL_STARTED if window in self._due and _action(entry) in _ENDS:
                self._late.labels(stack).observe(_seconds(self._due.pop(window), entry.at))
            case Event.CALL_FINISHED | Event.CALL_LOST:
                self._count_call(entry, stack)
            case Event.WINDOW_OPEN if window in began:
                self._ready.labels(stack).observe(_seconds(began[window], entry.at))
            case Event.WINDOW_CLOSING if entry.actor == transitions.CLOCK_ACTOR:
                late = json.loads(entry.facts).get("late_ms", 0.0)
                self._due[window] = entry.at - timedelta(milliseconds=late)
            case Event.WINDOW_CLOSED:
                self._due.pop(window, None)

    def _count_call(self, entry: Entry, stack: str) -> None:
        facts = json.loads(entry.facts)
        action, status = facts.get("action", OTHER), facts.get("status", CallStatus.LOST)
        self._calls.labels(action, status).inc()
        if "elapsed_ms" in facts:
            service = entry.service if (stack, entry.service) in self._known else OTHER
            self._took.labels(stack, service, action, status).observe(facts["elapsed_ms"] / 1000)


def _action(entry: Entry) -> str:
    return str(json.loads(entry.facts).get("action", OTHER))


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
