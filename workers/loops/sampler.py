"""Samples what services use while windows hold them. It runs in a thread of its own, every ten seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from app.store import samples, windows
from app.store.tables import Sample
from workers.engine.negotiation import Unable
from workers.engine.usage import Usage
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

SAMPLE_INTERVAL = 10.0
"""Seconds between samples."""
PARALLEL_READS = 4
"""Containers whose usage is read at the same time."""
SAMPLE_RETENTION = timedelta(days=2)
"""How long a sample is stored."""
_FORGET = 600.0

SampledService = tuple[str, str]


class Sampler:
    """The loop that samples CPU and memory of the services that live windows hold."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._before: dict[str, tuple[float, float]] = {}
        """Of each container: when it was asked for, and the seconds of CPU it had used by then."""
        self._thread = PeriodicThread("sampling", self._run_round, lambda: SAMPLE_INTERVAL)
        self._forget_at = time.monotonic()

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Take no further sample; wait at most five seconds for the current one."""
        self._thread.stop(timeout=5)

    def _run_round(self) -> None:
        if not self._context.snapshot.away:
            self._context.guard.run(Loop.SAMPLES, self._turn_if_possible)

    def _turn_if_possible(self) -> None:
        try:
            self.take_samples()
        except Unable as error:
            log.info("nothing is measured: %s", str(error).partition("\n")[0])

    def take_samples(self) -> None:
        """Sample once every service that a live window holds, and store the samples."""
        database = self._context.database
        if measured := self._measure(self._leased_containers()):
            now = database.now()
            with database.write() as session:
                session.add_all(
                    Sample(stack=stack, service=service, at=now, cpu=cpu, memory=memory)
                    for (stack, service), (cpu, memory) in measured.items()
                )
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET
            with database.write() as session:
                samples.forget(session, database.now() - SAMPLE_RETENTION)

    def _leased_containers(self) -> dict[str, SampledService]:
        """The containers of what live windows hold here, by id."""
        database, mine = self._context.database, dict(self._context.stacks)
        with database.read() as session:
            now = database.now()
            held = {
                stack: {lease.service for lease in windows.live_leases(session, [stack], now)}
                for stack in mine
            }
        services: dict[str, SampledService] = {}
        for stack, names in held.items():
            named = self._context.engine.service_by_id(mine[stack].spec.project, names) if names else {}
            services |= {container: (stack, service) for container, service in named.items()}
        return services

    def _measure(self, containers: dict[str, SampledService]) -> dict[SampledService, tuple[float, int]]:
        """Return cores and bytes by service. The first sample of a container only stores its CPU time."""
        measured: dict[SampledService, tuple[float, int]] = {}
        before, self._before = self._before, {}
        for container, at, usage in self._read_usage(containers):
            self._before[container] = (at, usage.cpu_seconds)
            if container not in before:
                continue
            since, used = before[container]
            cores = max(0.0, usage.cpu_seconds - used) / max(0.001, at - since)
            cpu, memory = measured.get(containers[container], (0.0, 0))
            measured[containers[container]] = (cpu + cores, memory + usage.memory)
        return measured

    def _usage(self, container: str) -> Usage | None:
        """What a container uses; one that cannot be read keeps no other from being measured."""
        try:
            return self._context.engine.usage(container)
        except Unable as error:
            log.info("container %s is not measured: %s", container, str(error).partition("\n")[0])
        except Exception as error:  # noqa: BLE001 - it is logged and counted
            self._context.guard.record_failure(Loop.SAMPLES, error, "reading a container")
        return None

    def _read_usage(self, containers: Iterable[str]) -> list[tuple[str, float, Usage]]:
        def ask(container: str) -> tuple[str, float, Usage | None]:
            return container, time.monotonic(), self._usage(container)

        with ThreadPoolExecutor(PARALLEL_READS, "sampling") as pool:
            readings = list(pool.map(ask, containers))
        return [(container, at, usage) for container, at, usage in readings if usage]
