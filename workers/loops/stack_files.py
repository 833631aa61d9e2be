"""Reads power.toml and the compose files again when they have changed.

The loop needs neither engine nor database: the next heartbeat publishes the result.
"""

from __future__ import annotations

import logging
import threading
import time

from app.domain.enums import Loop
from app.domain.stack_id import StackId
from app.host.periodic_thread import PeriodicThread
from workers.loops.deadline_clock import DeadlineClock
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.inspections import Inspections
from workers.loops.stack_loader import StackLoader
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)
FILE_CHECK_INTERVAL, AWAITED_CHECK_INTERVAL = 0.5, 0.1
"""Seconds between two checks of the files; the second while a window waits for them.

A changed file is read once two checks agree.
"""
LONGEST_HOLD = 5.0
"""Seconds that a window waits at most for files that keep changing; then it starts by those last read."""
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
        self._thread = PeriodicThread("watch_files", self._run_round, self._pause, stopping=stopping)
        self._held: dict[StackId, float] = {}
        """Since when, by the monotonic clock, windows of a stack wait for its files to be read."""
        self._released: set[StackId] = set()
        """Those of them that have waited long enough."""
        context.reads_files_first = self.hold

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def check(self) -> None:
        """Check the engine's id and the files once; mark the stacks whose files have changed."""
        since = time.monotonic() - self._engine_asked_at
        if since > ENGINE_CHECK_INTERVAL or (since > ENGINE_RETRY_INTERVAL and not self._knows_engine()):
            self._engine_asked_at = time.monotonic()
            self._heartbeat.know_engine()
        changed = self._loading.read_changes()
        if changed:
            self._clock.beat_soon()
        for stack in changed | self._take_read():
            self._inspections.mark(stack, None, Trigger.REQUEST)

    def hold(self, stack: StackId) -> bool:
        """Whether a stack's files have changed and are read first; `check` marks the stack after that."""
        if not self._loading.has_changed(stack):
            return False
        since = self._held.setdefault(stack, time.monotonic())
        if time.monotonic() - since < LONGEST_HOLD:
            return True
        log.warning("stack %s: its files keep changing; a window starts by those that were last read", stack)
        return False

    def _take_read(self) -> set[StackId]:
        """The stacks whose windows need wait no longer: their files are read, or keep changing."""
        now, due = time.monotonic(), set[StackId]()
        for stack, since in list(self._held.items()):
            if not self._loading.has_changed(stack):
                del self._held[stack]
                due.add(stack)
            elif now - since >= LONGEST_HOLD and stack not in self._released:
                due.add(stack)
        self._released = {stack for stack in list(self._held) if stack in due | self._released}
        return due

    def _pause(self) -> float:
        return AWAITED_CHECK_INTERVAL if set(self._held) - self._released else FILE_CHECK_INTERVAL

    def _run_round(self) -> None:
        self._context.guard.run(Loop.FILES, self.check)

    def _knows_engine(self) -> bool:
        return (
            bool(self._context.engine_id) and self._loading.engine_fault == self._context.engine.fault == ""
        )
