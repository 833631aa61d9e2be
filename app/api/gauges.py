"""What Prometheus is told, in a registry of this front's own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.api.seats import Seats
from app.domain.words import CallStatus
from app.store import services, stacks, windows, workers
from app.store.database import Database

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

_PAGE = 10_000
"""Calls counted at one scrape at most; what is left is for the next."""

log = logging.getLogger(__name__)


class Gauges:
    def __init__(self, database: Database, streams: Seats, waits: Seats) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counted(
            "power_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self.strangers = Counted(
            "power_unknown_tokens", "Requests with no or an unknown token.", registry=self._registry
        )
        self.unsent = Counted(
            "power_dispatch_failures", "Nudges the broker did not take.", registry=self._registry
        )
        self._registry.register(_Now(database, streams, waits))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Now(Collector):
    """What is looked up when it is asked for, rather than counted along."""

    def __init__(self, database: Database, streams: Seats, waits: Seats) -> None:
        self._database, self._streams, self._waits, self._calls = database, streams, waits, _Calls()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("power_open_streams", "Event streams that are open.", self._streams.taken)
        yield GaugeMetricFamily(
            "power_waiting_requests", "Requests that wait for a window.", self._waits.taken
        )
        try:
            with self._database.read() as session:
                yield from [
                    _windows(session),
                    *_stacks(session, self._database.now()),
                    *_troubles(session, self._database.now()),
                    self._calls.of(session),
                ]
        except SQLAlchemyError as error:
            # The other figures are worth having, most of all now; these are missing rather than wrong.
            log.warning("the database cannot be counted: %s", str(error).partition("\n")[0])


def _windows(session: Session) -> GaugeMetricFamily:
    family = GaugeMetricFamily("power_windows", "Windows that are not closed, by state.", labels=["state"])
    for state, count in windows.counts(session).items():
        family.add_metric([str(state)], count)
    return family


def _stacks(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    found = stacks.every(session)
    away = workers.away(session, found, now)
    gone = GaugeMetricFamily(
        "power_stack_away", "1 where nobody who serves the stack is heard of.", labels=["stack", "node"]
    )
    refused = GaugeMetricFamily(
        "power_stack_refused", "1 where a change of its files is not in force.", labels=["stack", "node"]
    )
    for stack in found:
        gone.add_metric([stack.name, stack.node], float(stack.name in away))
        refused.add_metric([stack.name, stack.node], float(bool(stack.refused or stack.faults)))
    yield from (gone, refused)


def _troubles(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    """What an operator is to be woken by, of each stack."""
    names = stacks.names(session)
    troubled, stuck = services.troubled(session), windows.stuck(session)
    held = {
        (stack, lease.service)
        for stack in {row.stack for row in troubled}
        for lease in windows.live_leases(session, [stack], now)
    }
    owing = [row.stack for row in troubled if row.owed and (row.stack, row.name) not in held]
    drifting = [row.stack for row in troubled if row.drift_since]
    retried = [row.stack for row in troubled if row.retry_at]
    failed = [row.stack for row in troubled for _stop in range(row.failures)]
    for name, tells, found in (
        ("power_windows_stuck", "Closing windows whose services refuse to stop.", stuck),
        ("power_services_owing", "Services that nobody holds and that are not yet known to be off.", owing),
        ("power_services_drifting", "Services whose power differs from what is wanted.", drifting),
        ("power_failed_stops", "Stops that have failed in a row.", failed),
        ("power_services_retried", "Services that wait for their next stop to be tried.", retried),
    ):
        family = GaugeMetricFamily(name, tells, labels=["stack"])
        for stack in names:
            family.add_metric([stack], found.count(stack))
        yield family


class _Calls:
    """Compose calls by what they were for and how they ended, since this was first asked.

    Counted from the rows themselves, those that ended since the last time it was asked,
    so that it costs the same however many there were before.
    """

    def __init__(self) -> None:
        self._upto: int | None = None
        self._running: set[int] = set()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def of(self, session: Session) -> CounterMetricFamily:
        with self._lock:
            self._count(session)
            family = CounterMetricFamily(
                "power_calls", "Compose calls that ended.", labels=["action", "status"]
            )
            for (action, status), count in sorted(self._ended.items()):
                family.add_metric([action, status], count)
            return family

    def _count(self, session: Session) -> None:
        if self._upto is None:
            self._upto = services.newest_call(session)
        for call, action, status in services.calls_after(session, self._upto, self._running, _PAGE):
            self._upto = max(self._upto, call)
            if status == CallStatus.RUNNING:
                self._running.add(call)
            else:
                self._running.discard(call)
                self._ended[action, status] += 1
