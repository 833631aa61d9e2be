"""Count the audit entries since the first scrape: durations and results of calls, and the time saved.

Each web process counts by itself, from its own position in the audit trail, so it misses no entry. A scrape
reads the entries since the last one, at most ENTRIES_PER_SCRAPE; the next scrape reads the rest.
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
"""Entries read at one scrape at most."""
OTHER = "other"
"""The label of services that no stack has, so that removed ones share one series."""
_ENDS = {Action.PRE_STOP, Action.STOP, Action.KILL}

_CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LATE_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_READY_SECONDS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class MetricsCollector:
    """Counters and histograms; `count_new` brings them up to date."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._positions: dict[str, int] | None = None
        self._counted_to: datetime | None = None
        self._deadlines: dict[str, datetime] = {}
        """The deadlines of windows that expired and whose first stop has not begun."""
        self._services: Collection[savings.ServiceOfStack] = ()
        by_call = ["stack", "service", "action", "status"]
        self._calls = Counter("power_calls", "Compose calls that ended.", ["action", "status"], registry=None)
        self._durations = Histogram(
            "power_call_duration_seconds",
            "How long compose calls took, by service and how they ended.",
            by_call,
            buckets=_CALL_SECONDS,
            registry=None,
        )
        self._lateness = Histogram(
            "power_expiry_lateness_seconds",
            "From a window's deadline to the start of the first call that stops something of it.",
            ["stack"],
            buckets=_LATE_SECONDS,
            registry=None,
        )
        self._ready_times = Histogram(
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
        """The metrics, as counted until now."""
        for one in (self._calls, self._durations, self._lateness, self._ready_times, self._saved):
            yield from one.collect()

    def count_new(self, session: Session, now: datetime) -> None:
        """Count entries and saved time since the last call; the first call only sets the position."""
        with self._lock:
            if self._positions is None:
                self._positions, self._counted_to = audit.heads(session), now
                return
            self._count_savings(session, now)
            self._count_entries(session, self._positions)

    def _count_savings(self, session: Session, now: datetime) -> None:
        if self._counted_to is None or now <= self._counted_to:
            return
        saved = savings.saved_seconds(session, self._counted_to, now)
        self._counted_to, self._services = now, saved.keys()
        for (stack, service), seconds in saved.items():
            self._saved.labels(stack, service).inc(seconds)

    def _count_entries(self, session: Session, positions: dict[str, int]) -> None:
        heads = audit.heads(session)
        for chain, seq in positions.items():
            # After a restore of the database a chain may be shorter.
            positions[chain] = min(seq, heads.get(chain, 0))
        entries = audit.since(session, positions, ENTRIES_PER_SCRAPE)
        opened_windows = [
            entry.window_id for entry in entries if entry.event == Event.WINDOW_OPEN and entry.window_id
        ]
        opening_times = windows.openings(session, opened_windows)
        for entry in entries:
            positions[entry.chain] = entry.seq
            self._count(entry, opening_times)

    def _count(self, entry: Entry, opening_times: dict[str, datetime]) -> None:
        stack, window = entry.stack or OTHER, entry.window_id or ""
        match entry.event:
            case Event.CALL_STARTED if window in self._deadlines and _action(entry) in _ENDS:
                self._lateness.labels(stack).observe(_seconds(self._deadlines.pop(window), entry.at))
            case Event.CALL_FINISHED | Event.CALL_LOST:
                self._count_call(entry, stack)
            case Event.WINDOW_OPEN if window in opening_times:
                self._ready_times.labels(stack).observe(_seconds(opening_times[window], entry.at))
            case Event.WINDOW_CLOSING if entry.actor == transitions.CLOCK_ACTOR:
                late = json.loads(entry.facts).get("late_ms", 0.0)
                self._deadlines[window] = entry.at - timedelta(milliseconds=late)
            case Event.WINDOW_CLOSED:
                self._deadlines.pop(window, None)

    def _count_call(self, entry: Entry, stack: str) -> None:
        facts = json.loads(entry.facts)
        action, status = facts.get("action", OTHER), facts.get("status", CallStatus.LOST)
        self._calls.labels(action, status).inc()
        if "elapsed_ms" in facts:
            service = entry.service if (stack, entry.service) in self._services else OTHER
            self._durations.labels(stack, service, action, status).observe(facts["elapsed_ms"] / 1000)


def _action(entry: Entry) -> str:
    return str(json.loads(entry.facts).get("action", OTHER))


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
