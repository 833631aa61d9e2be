"""Reads power.toml and the compose files again when they have changed.

The loop needs neither engine nor database: the next heartbeat publishes the result.
"""

from __future__ import annotations

import threading
import time

from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from workers.loops.deadline_clock import DeadlineClock
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.inspections import Inspections
from workers.loops.stack_loader import StackLoader
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger

FILE_CHECK_INTERVAL = 1.0
"""Seconds between two checks of the files; a changed file is read once two checks agree."""
ENGINE_CHECK_INTERVAL = 60.0
"""Seconds after which the engine is asked for its id again."""
ENGINE_RETRY_INTERVAL = 5.0
"""Seconds after which it is asked again while its id is not known or it cannot be served."""


class StackFiles:
    """The file loop of one worker."""

    def __init__(
        self,
        context: WorkerContext,
        loading: StackLoader,
        heartbeat: HeartbeatLoop,
        inspections: Inspections,
        clock: DeadlineClock,
        *,
        stopping: threading.Event,
    ) -> None:
        self._context, self._loading, self._heartbeat = context, loading, heartbeat
        self._inspections, self._clock = inspections, clock
        self._engine_asked_at = time.monotonic()
        self._thread = PeriodicThread(
            "watch_files", self._run_round, lambda: FILE_CHECK_INTERVAL, stopping=stopping
        )

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def check(self) -> None:
        """Check the engine's id and the files once; mark the stacks whose files have changed."""
        since = time.monotonic() - self._engine_asked_at
        if since > ENGINE_CHECK_INTERVAL or (since > ENGINE_RETRY_INTERVAL and not self._knows_engine()):
            self._engine_asked_at = time.monotonic()
            self._heartbeat.know_engine()
        changed = self._loading.look()
        if changed:
            self._clock.beat_soon()
        for stack in changed:
            self._inspections.mark(stack, None, Trigger.REQUEST)

    def _run_round(self) -> None:
        self._context.guard.run(Loop.FILES, self.check)

    def _knows_engine(self) -> bool:
        return (
            bool(self._context.engine_id) and self._loading.engine_fault == self._context.engine.fault == ""
        )
