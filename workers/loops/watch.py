"""The loops of one worker, which find everything that is due without a task message.

A task message through the broker is faster. These loops make sure: an unreachable broker or
beat delays nothing for long.

    EngineEvents      ---> marks services as changed
    Inspections       ---> inspects what is marked, and starts and stops what is due there
    DeadlineClock     ---> deadlines, unattended windows, lost calls, heartbeats
    StackFiles        ---> reads changed files again
    Diagnoser         ---> says why services fail
    OfflineController ---> stops what is due while the database is away
    Watchdog          ---> ends the worker when one of these no longer works
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime

from app.domain.stack_id import StackId
from app.host.periodic_thread import PeriodicThread
from workers.loops.converge_pools import ConvergePools
from workers.loops.deadline_clock import DeadlineClock
from workers.loops.diagnoser import Diagnoser
from workers.loops.engine_events import EngineEvents
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.inspections import Inspections
from workers.loops.stack_files import StackFiles
from workers.loops.stack_loader import StackLoader
from workers.loops.watchdog import PROBE_INTERVAL, Watchdog, advances
from workers.offline import controller
from workers.offline.controller import OfflineController
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger


class Watch:
    """Starts and stops the loops of one worker, its two converge pools and its queues of calls."""

    def __init__(self, context: WorkerContext, loading: StackLoader, heartbeat: HeartbeatLoop) -> None:
        self._context, self.heartbeat = context, heartbeat
        self._stopping = threading.Event()
        self.pools = ConvergePools(context, self._stopping)
        self.inspections = Inspections(context, self.pools, self._stopping)
        self.events = EngineEvents(context, self.inspections, self._stopping)
        self.clock = DeadlineClock(context, heartbeat, self.inspections, self.pools, self._stopping)
        self.files = StackFiles(
            context, loading, heartbeat, self.inspections, self.clock, stopping=self._stopping
        )
        self._diagnoser = Diagnoser(context, loading.path, self._stopping)
        self._offline = OfflineController(context)
        self._watchdog = Watchdog(
            [
                ("the offline loop", advances(lambda: self._offline.rounds)),
                ("the queue of looks", self.inspections.answers),
                ("the queue of starts", context.opening.answers),
                ("the queue of stops", context.closing.answers),
            ]
        )
        self._threads = (
            PeriodicThread(
                "watch_offline", self._offline.run_round, lambda: controller.PAUSE, stopping=self._stopping
            ),
            PeriodicThread(
                "watch_dog", self._watchdog.probe_all, lambda: PROBE_INTERVAL, stopping=self._stopping
            ),
        )
        context.look_again = self.inspections.mark

    def start(self) -> None:
        """Start every loop; everything is inspected once."""
        self._context.snapshot.begin()
        self.mark_all(Trigger.START)
        for loop in (self.events, self.inspections, self.clock, self.files, self._diagnoser):
            loop.start()
        for thread in self._threads:
            thread.start()

    def stop(self, *, patiently: bool = False) -> None:
        """Begin nothing more; `patiently` also waits until calls under way are made and recorded."""
        self._stopping.set()
        self.inspections.wake()
        self._context.diagnosing.wake()
        self.pools.close(wait=patiently)
        self.inspections.close(wait=patiently)
        for queue in (self._context.opening, self._context.closing):
            queue.close(wait=patiently)

    @property
    def refused(self) -> bool:
        """Whether another live worker has claimed this node."""
        return self.heartbeat.refused

    def mark(self, stack: StackId, services: Iterable[str] | None, trigger: Trigger) -> None:
        """Inspect these services of a stack soon (None: all)."""
        self.inspections.mark(stack, services, trigger)

    def mark_all(self, trigger: Trigger) -> None:
        """Inspect every service of every stack soon."""
        self.inspections.mark_all(trigger)

    def open_soon(self, window: str) -> None:
        """Start what the opening window with this id needs."""
        self.pools.open_soon(window)

    def close_soon(self, stack: StackId) -> None:
        """Stop what no live window of this stack holds."""
        self.pools.close_soon(stack)

    def beat(self, now: datetime) -> None:
        """Send a heartbeat, and end the calls that dead workers of this node left."""
        self.clock.beat(now)
