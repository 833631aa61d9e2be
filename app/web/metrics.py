"""The metrics of one web process for Prometheus, in a registry of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.domain.enums import Loop, Role
from app.domain.viewer import OPERATOR, Viewer
from app.host.loop_guard import LoopGuard
from app.store import clock_offset, loop_failures, services, stacks, windows, workers
from app.store.database import Database
from app.store.tables import Service
from app.task_queue import Dispatch, queue
from app.web.metrics_collector import MetricsCollector
from app.web.namespace_metrics import NamespaceMetrics
from app.web.stream_capacity import StreamCapacity

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)


class Metrics:
    """The metrics of this process and of the database, for Prometheus."""

    def __init__(
        self,
        database: Database,
        dispatch: Dispatch,
        streams: StreamCapacity,
        waits: StreamCapacity,
        guard: LoopGuard,
    ) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counted(
            "power_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self.unknown_tokens = Counted(
            "power_unknown_tokens", "Requests with no or an unknown token.", registry=self._registry
        )
        self.unsent = Counted(
            "power_dispatch_failures", "Messages that the broker did not take.", registry=self._registry
        )
        self._registry.register(_DatabaseCollector(database, dispatch, streams, waits, MetricsCollector()))
        self._registry.register(_LoopCollector(database, guard))

    def text(self, viewer: Viewer = OPERATOR) -> bytes:
        """The metrics that the viewer sees, in Prometheus's text format."""
        return generate_latest(
            self._registry if viewer.is_operator else NamespaceMetrics(self._registry, viewer)
        )


class _DatabaseCollector(Collector):
    """Metrics that are read from the database and the broker at each scrape."""

    def __init__(
        self,
        database: Database,
        dispatch: Dispatch,
        streams: StreamCapacity,
        waits: StreamCapacity,
        collector: MetricsCollector,
    ) -> None:
        self._database, self._dispatch = database, dispatch
        self._streams, self._waits, self._collector = streams, waits, collector
        self._nodes: list[str] = []

    def describe(self) -> Iterator[Metric]:
        """Nothing: the metrics are known only at a scrape."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("power_open_streams", "Event streams that are open.", self._streams.in_use)
        yield GaugeMetricFamily(
            "power_waiting_requests", "Requests that wait for a window.", self._waits.in_use
        )
        try:
            with self._database.read() as session:
                now = self._database.now()
                families = [
                    _windows(session),
                    _clock(session),
                    _call_limits(session, now),
                    *_stacks(session, now),
                    *_trouble_families(session, now),
                ]
                self._nodes = sorted({stack.node for stack in stacks.every(session)})
                self._collector.count_new(session, now)
                yield from families
        except SQLAlchemyError as error:
            # The metrics of the process are still sent; those of the database are absent rather than wrong.
            log.warning("the database cannot be counted: %s", str(error).partition("\n")[0])
        yield from self._collector.figures()
        yield _queues(self._dispatch, ["power", *map(queue, self._nodes)])


class _LoopCollector(Collector):
    """Failures of loops: of workers from the database, of this process from its own count."""

    def __init__(self, database: Database, guard: LoopGuard) -> None:
        self._database, self._guard = database, guard
        self._mine = 0

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "power_loop_failures",
            "Rounds of a loop, or parts of one, that have failed; the loop goes on.",
            labels=["node", "loop"],
        )
        self._mine += sum(self._guard.take_counts().values())
        family.add_metric(["", Loop.EVENT_STREAM], self._mine)
        try:
            for (node, loop), failures in self._of_workers().items():
                family.add_metric([node, loop], failures)
        except SQLAlchemyError as error:
            log.warning("loop failures cannot be counted: %s", str(error).partition("\n")[0])
        yield family

    def _of_workers(self) -> dict[tuple[str, str], int]:
        """Failures by node and loop, 0 included: Prometheus sees no increase in a series that is new."""
        with self._database.read() as session:
            nodes = [node.name for node in stacks.nodes(session)]
            counted = loop_failures.counts(session)
        loops = [str(loop) for loop in Loop if loop is not Loop.EVENT_STREAM]
        return dict.fromkeys(((node, loop) for node in nodes for loop in loops), 0) | counted


def _queues(dispatch: Dispatch, names: list[str]) -> GaugeMetricFamily:
    """The queue depths; no sample while the broker is away."""
    family = GaugeMetricFamily(
        "power_queue_depth", "Messages that no worker has taken yet.", labels=["queue"]
    )
    for name, depth in dispatch.depths(names).items():
        family.add_metric([name], depth)
    return family


def _clock(session: Session) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "power_clock_offset_seconds",
        "Seconds that the product clock is ahead of the database's own, since that was set.",
        value=clock_offset.offset(session),
    )


def _windows(session: Session) -> GaugeMetricFamily:
    family = GaugeMetricFamily("power_windows", "Windows that are not closed, by state.", labels=["state"])
    for state, count in windows.counts(session).items():
        family.add_metric([str(state)], count)
    return family


def _stacks(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    rows = stacks.every(session)
    away = workers.away(session, rows, now)
    away_family = GaugeMetricFamily(
        "power_stack_away",
        "1 where no worker that serves the stack sends heartbeats.",
        labels=["stack", "node"],
    )
    refused_family = GaugeMetricFamily(
        "power_stack_refused", "1 where a change of its files is not in force.", labels=["stack", "node"]
    )
    rejected_family = GaugeMetricFamily(
        "power_stack_rejected", "1 where nothing can be opened on the stack.", labels=["stack", "node"]
    )
    for stack in rows:
        rejected_family.add_metric([stack.name, stack.node], float(bool(stack.faults)))
        away_family.add_metric([stack.name, stack.node], float(stack.name in away))
        refused_family.add_metric([stack.name, stack.node], float(bool(stack.refused or stack.faults)))
    yield from (away_family, refused_family, rejected_family)


def _call_limits(session: Session, now: datetime) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "power_call_limit", "Compose calls that may start at once on a node.", labels=["node"]
    )
    for node, limit in workers.call_limits(session, now).items():
        family.add_metric([node], limit)
    return family


def _trouble_families(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Metrics that an alert uses, by stack."""
    names = stacks.names(session)
    troubled, stuck = services.troubled_services(session), windows.stuck(session)
    held = {
        (stack, lease.service)
        for stack in {row.stack for row in troubled}
        for lease in windows.live_leases(session, [stack], now)
    }
    owing = [
        row.stack
        for row in troubled
        if row.stop_pending and row.role != Role.CORE and (row.stack, row.name) not in held
    ]
    drifting = [row.stack for row in troubled if row.drift_since]
    retried = [row.stack for row in troubled if row.retry_at]
    for name, description, stacks_affected in (
        ("power_core_down", "Core services that are down.", services.core_down(session)),
        ("power_windows_stuck", "Closing windows whose services refuse to stop.", stuck),
        ("power_services_owing", "Services that no window holds and whose stop is not confirmed.", owing),
        ("power_services_drifting", "Services whose power differs from the desired power.", drifting),
        ("power_services_retried", "Services that wait for their next stop to be tried.", retried),
    ):
        family = GaugeMetricFamily(name, description, labels=["stack"])
        for stack in names:
            family.add_metric([stack], stacks_affected.count(stack))
        yield family
    yield _failed_stops(names, troubled)


def _failed_stops(names: Iterable[str], troubled: Iterable[Service]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("power_failed_stops", "Stops that have failed in a row.", labels=["stack"])
    failures = dict.fromkeys(names, 0)
    for row in troubled:
        failures[row.stack] = failures.get(row.stack, 0) + row.failures
    for stack, count in failures.items():
        family.add_metric([stack], count)
    return family
