"""What Prometheus is told, in a registry of this front's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.api.seats import Seats
from app.store import windows
from app.store.database import Database

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)


class Gauges:
    def __init__(self, database: Database, streams: Seats, waits: Seats) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "power_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self.strangers = Counter(
            "power_unknown_tokens", "Requests with no or an unknown token.", registry=self._registry
        )
        self.unsent = Counter(
            "power_dispatch_failures", "Nudges the broker did not take.", registry=self._registry
        )
        self._registry.register(_Now(database, streams, waits))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Now(Collector):
    """What is looked up when it is asked for, rather than counted along."""

    def __init__(self, database: Database, streams: Seats, waits: Seats) -> None:
        self._database, self._streams, self._waits = database, streams, waits

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("power_open_streams", "Event streams that are open.", self._streams.taken)
        yield GaugeMetricFamily(
            "power_waiting_requests", "Requests that wait for a window.", self._waits.taken
        )
        yield from self._windows()

    def _windows(self) -> Iterator[GaugeMetricFamily]:
        try:
            with self._database.read() as session:
                counts = windows.counts(session)
        except SQLAlchemyError as error:
            # The other figures are worth having, most of all now; this one is missing rather than wrong.
            log.warning("windows cannot be counted: %s", str(error).partition("\n")[0])
            return
        family = GaugeMetricFamily(
            "power_windows", "Windows that are not closed, by state.", labels=["state"]
        )
        for state, count in counts.items():
            family.add_metric([str(state)], count)
        yield family
