"""Expires windows at their deadline, attends to windows that no task has attended to, and sends heartbeats.

The clock needs no engine and no broker, only the database.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from app.domain.enums import Loop, State
from app.domain.stack_id import StackId
from app.host.periodic_thread import PeriodicThread
from app.store import loop_failures
from app.store import windows as rows
from app.usecases.timekeeping import Timekeeper
from app.usecases.windows import expire as expiry
from workers.loops import liveness_file
from workers.loops.converge_pools import ConvergePools
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.inspections import Inspections
from workers.loops.lost_calls import LostCalls
from workers.offline import recovery
from workers.reconcile import outdated_calls
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger

UNATTENDED_NEW = timedelta(seconds=1)
"""How long a new window waits for its task message before the clock acts in its place."""
SWEEP_GRACE = timedelta(seconds=0.25)
"""How long after a deadline the clock leaves the window to the sweep."""
UNATTENDED_MOVING = timedelta(seconds=5)
"""How long after its last attendance a moving window is attended to again: its worker may be dead."""
TICK = 0.5
"""Seconds between two ticks."""
HEARTBEAT_INTERVAL = 5.0
"""Seconds between two heartbeats."""


class DeadlineClock:
    """The clock loop of one worker."""

    def __init__(
        self,
        context: WorkerContext,
        heartbeat: HeartbeatLoop,
        inspections: Inspections,
        pools: ConvergePools,
        stopping: threading.Event,
    ) -> None:
        self._context, self._heartbeat = context, heartbeat
        self._inspections, self._pools = inspections, pools
        self._guard = context.guard
        self._timekeeper = Timekeeper(context.database)
        self.lost_calls = LostCalls(context, inspections)
        self._beat_at = 0.0
        self._next_deadline: datetime | None = None
        self._thread = PeriodicThread(
            "watch_clock", self._run_round, self._until_next_tick, stopping=stopping, pause_first=False
        )

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def beat_soon(self) -> None:
        """Send a heartbeat with the next tick, whenever the last one was."""
        self._beat_at = 0.0

    def tick(self) -> None:
        """Process everything that is due, and tell the snapshot whether the database could be read and
        written.

        Raises SQLAlchemyError while the database is away.
        """
        try:
            self._do_parts()
        except SQLAlchemyError:
            # Reading alone proves nothing: a full disk can be read and not written.
            self._beat_at, self._next_deadline = 0.0, None
            self._context.snapshot.record_failure()
            raise
        self._context.snapshot.record_success()

    def beat(self, now: datetime) -> None:
        """Send a heartbeat, record loop failures, and end the calls that dead workers of this node left."""
        self._heartbeat.beat()
        running = self.lost_calls.running()
        self.record_failures()
        self.lost_calls.end_lost(running, now)

    def record_failures(self) -> None:
        """Record how often each loop has failed since the last heartbeat."""
        counts = self._guard.take_counts()
        if not counts:
            return
        try:
            with self._context.database.write() as session:
                loop_failures.add(session, self._context.node, counts)
        except SQLAlchemyError:
            self._guard.give_back(counts)
            raise

    def expire(self, now: datetime) -> set[StackId]:
        """Expire every due window of this node; return the stacks concerned.

        All windows share one transaction or, where one window breaks that, each has its own.
        """
        stacks: set[StackId] = set()
        if not self._guard.isolate(
            Loop.CLOCK, "all that is due", partial(self._expire_some, now, None, stacks)
        ):
            with self._context.database.read() as session:
                due = rows.due_ids(session, now, self._context.node)
            for window in due:
                expire = partial(self._expire_some, now, window, stacks)
                self._guard.isolate(Loop.CLOCK, f"window {window}", expire)
        return stacks

    def _run_round(self) -> None:
        liveness_file.beat()
        self._guard.run(Loop.CLOCK, self.tick)

    def _until_next_tick(self) -> float:
        """Seconds until the next tick, which comes no later than the next deadline."""
        if self._next_deadline is None:
            return TICK
        left = (self._next_deadline + SWEEP_GRACE - self._context.snapshot.now()).total_seconds()
        return min(TICK, max(left, 0.02))

    def _do_parts(self) -> None:
        # Deadlines depend on the clock, so a clock that was set is dealt with first.
        self._guard.isolate(Loop.CLOCK, "shared clock", self._timekeeper.tend)
        now = self._context.database.now()
        # Calls made while the database was away are recorded before anything is concluded from it.
        self._guard.isolate(Loop.CLOCK, "journals", partial(recovery.import_journals, self._context, now))
        self._guard.isolate(Loop.CLOCK, "deadlines", partial(self._close_expired, now))
        cancel = partial(outdated_calls.cancel_outdated, self._context)
        self._guard.isolate(Loop.CLOCK, "running calls", cancel)
        self._guard.isolate(Loop.CLOCK, "waiting windows", self._admit)
        self._guard.isolate(Loop.CLOCK, "untouched windows", partial(self._attend_untouched, now))
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + HEARTBEAT_INTERVAL
            self._guard.isolate(Loop.CLOCK, "sign of life", partial(self.beat, now))
        self._guard.isolate(Loop.CLOCK, "what is known", partial(self._refresh_snapshot, now))

    def _refresh_snapshot(self, now: datetime) -> None:
        for stack in self._context.snapshot.refresh(self._context.node, now):
            self._inspections.mark(stack, None, Trigger.START)

    def _admit(self) -> None:
        for window in self._heartbeat.admit():
            self._pools.open_soon(window)

    def _close_expired(self, now: datetime) -> None:
        """Expire what the sweep has not: the sweep is late, or there is none."""
        with self._context.database.read() as session:
            self._next_deadline = deadline = rows.next_deadline(session, self._context.node)
        if deadline is None or deadline > now - SWEEP_GRACE:
            return
        for stack in self.expire(now):
            self._pools.close_soon(stack)

    def _expire_some(self, now: datetime, window: str | None, stacks: set[StackId]) -> None:
        with self._context.database.write() as session:
            expired = {one.stack for one in expiry.expire_due(session, now, self._context.node, window)}
        stacks.update(expired)

    def _attend_untouched(self, now: datetime) -> None:
        node, new, moving = self._context.node, now - UNATTENDED_NEW, now - UNATTENDED_MOVING
        with self._context.database.read() as session:
            untouched = rows.find_unattended(session, node, new, moving)
        for window, stack, state in untouched:
            if state == State.OPENING:
                self._pools.open_soon(window)
            else:
                self._pools.close_soon(stack)
