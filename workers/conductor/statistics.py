"""Collects CPU, memory and restarts of a window's services while a run goes on, at a bounded rate."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from app.domain.enums import Loop
from app.domain.scenarios import Metric
from workers.engine.negotiation import Unable
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

COLLECT_INTERVAL = 1.0
"""Seconds between two rounds, at least."""
BUSY_SHARE = 0.2
"""The share of the time in which the engine is asked, at most."""
ALL_POINTS = 6000
"""Points of all services of a run together, at most."""
_MIB = 2**20

UsagePoint = tuple[float, float, float]
"""Seconds since the beginning, percent of one core, MiB of memory."""


@dataclass(slots=True)
class ServiceUsage:
    """What one service has used, all its containers together."""

    points: list[UsagePoint] = field(default_factory=list)
    peak_cpu: float | None = None
    peak_memory: float | None = None
    restarts: int | None = None

    def add(self, point: UsagePoint, most: int) -> None:
        """Add a point; of too many, every second one is dropped. Peaks count them all."""
        self.points.append(point)
        self.peak_cpu = max(self.peak_cpu or 0.0, point[1])
        self.peak_memory = max(self.peak_memory or 0.0, point[2])
        if len(self.points) > most:
            del self.points[1:-1:2]

    def metric(self, metric: Metric) -> float | None:
        """The value that a check compares; None where there is none yet."""
        if metric is Metric.CPU:
            return self.peak_cpu
        return self.peak_memory if metric is Metric.MEMORY else self.restarts


class UsageCollector:
    """A thread that samples the services of one run until it is stopped."""

    def __init__(self, context: WorkerContext, project: str, services: Collection[str]) -> None:
        self._context, self._project = context, project
        self._began = time.monotonic()
        self._most = max(20, min(600, ALL_POINTS // max(1, len(services))))
        self._before: dict[str, tuple[float, float]] = {}
        self._usage = {name: ServiceUsage() for name in services}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="run-statistics", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further sample; wait at most five seconds for the current round."""
        self._over.set()
        self._thread.join(timeout=5)

    def of(self, service: str) -> ServiceUsage:
        """Return a copy of the usage of a service."""
        with self._lock:
            usage = self._usage[service]
            return ServiceUsage(list(usage.points), usage.peak_cpu, usage.peak_memory, usage.restarts)

    def _repeat(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self._context.guard.run(Loop.RUNS, self._collect_if_possible, "statistics")
            took = time.monotonic() - began
            self._over.wait(max(COLLECT_INTERVAL, took / BUSY_SHARE - took))

    def _collect_if_possible(self) -> None:
        try:
            self.collect()
        except Unable as error:
            log.info("a run's services are not measured: %s", str(error).partition("\n")[0])

    def collect_quietly(self) -> None:
        """Take one more sample, where the engine answers."""
        self._context.guard.run(Loop.RUNS, self._collect_if_possible, "statistics")

    def collect(self) -> None:
        """Ask the engine once about every container of the run's services."""
        totals: dict[str, tuple[float, float]] = {}
        for one in self._context.engine.containers(self._project, self._usage):
            with self._lock:
                usage = self._usage[one.service]
                usage.restarts = max(usage.restarts or 0, one.restarts)
            if one.state == "running" and (sample := self._sample(one.id)):
                cpu, memory = totals.get(one.service, (0.0, 0.0))
                totals[one.service] = (cpu + sample[0], memory + sample[1])
        at = round(time.monotonic() - self._began, 2)
        with self._lock:
            for service, (cpu, memory) in totals.items():
                self._usage[service].add((at, round(cpu, 1), round(memory, 2)), self._most)

    def _sample(self, container: str) -> tuple[float, float] | None:
        """Percent of a core since the sample before, and MiB; None at the first sample of a container."""
        usage, now = self._context.engine.usage(container), time.monotonic()
        if usage is None:
            return None
        before = self._before.get(container)
        self._before[container] = (now, usage.cpu_seconds)
        if before is None:
            return 0.0, usage.memory / _MIB
        since, used = before
        share = max(0.0, usage.cpu_seconds - used) / max(0.001, now - since)
        return 100 * share, usage.memory / _MIB


Measure = Callable[[str], ServiceUsage]
"""Return the resource usage of a service."""
