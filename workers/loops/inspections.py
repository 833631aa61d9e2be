"""Inspect the services that were marked as changed, and start and stop the due services of their stack.

Each stack has one inspection at a time, so many events cost one inspection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial

from app.domain import backoff
from app.domain.enums import Loop, Role, State
from app.domain.stack_id import StackId
from app.host.periodic_thread import PeriodicThread
from app.store import services
from app.store import windows as rows
from app.usecases.windows.settle import StackSituation, startable, stoppable
from workers.loops.converge_pools import ConvergePools
from workers.reconcile.inspect import inspect_stack
from workers.state.concurrency import CallQueue, Limits
from workers.state.context import WorkerContext
from workers.state.inspection_queue import POLL_MOVING, InspectionQueue, Trigger

PARALLEL_STACKS = 8
"""Stacks that are inspected at the same time."""
LONGEST_RETRY = 5.0
"""Seconds after which a failed inspection is repeated at the latest."""
GATHER, GATHER_BUSY = 0.05, 0.2
"""Seconds that marks are gathered for, since one start makes several events; longer while calls run.

Without the wait, inspections compete with the calls whose events they follow. The thread that makes
a call inspects the service afterwards.
"""


class Inspections:
    """The inspection loop of one worker, and the queue of marks that feeds it."""

    def __init__(self, context: WorkerContext, pools: ConvergePools, stopping: threading.Event) -> None:
        self._context, self._pools, self._stopping = context, pools, stopping
        self._queue = InspectionQueue(time.monotonic)
        self._running = CallQueue("looks", Limits(PARALLEL_STACKS, PARALLEL_STACKS))
        self._thread = PeriodicThread(
            "watch_looks", self._run_round, lambda: 0.0, stopping=stopping, pause_first=False
        )

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def wake(self) -> None:
        """Let the loop notice at once that it is to stop."""
        self._queue.wake()

    def close(self, *, wait: bool) -> None:
        """Begin no further inspection; `wait` for those under way."""
        self._running.close(wait=wait)

    def answers(self) -> bool:
        """Whether the queue of inspections still works, for the watchdog."""
        return self._running.answers()

    def mark(self, stack: StackId, services: Iterable[str] | None, trigger: Trigger) -> None:
        """Inspect these services of a stack soon (None: all). A stack of another node is ignored."""
        if stack in self._context.stacks:
            self._queue.mark(stack, services, trigger)

    def mark_all(self, trigger: Trigger) -> None:
        """Inspect every service of every stack soon."""
        for stack in list(self._context.stacks):
            self.mark(stack, None, trigger)

    def due_stacks(self) -> list[StackId]:
        """Take the stacks that are marked or due; `inspect` each of them next."""
        return self._queue.take_due()

    def drop_polls(self) -> None:
        """Forget every planned poll, so that only marks and timers lead to an inspection."""
        self._queue.drop_polls()

    def inspect(self, stack: StackId) -> None:
        """Inspect the marked services of a stack, start and stop due ones, and plan the next inspection."""
        request = self._queue.take(stack)
        if request is None:
            return
        if stack not in self._context.stacks:
            self._queue.forget(stack)
            return
        began = time.monotonic()
        again = inspect_stack(self._context, stack, request)
        moving = self.act(stack)
        now = self._context.engine.now()
        left = {name: (at - now).total_seconds() + 0.01 for name, at in again.items()}
        self._queue.plan(stack, request, left, moving=moving, took=time.monotonic() - began)

    def inspect_or_retry(self, stack: StackId) -> None:
        """Inspect a stack; where that fails, log it and inspect the stack again after a backoff."""
        if failures := self._context.guard.run(Loop.LOOKS, partial(self.inspect, stack), stack):
            # A stack that cannot be inspected delays no other.
            self._queue.retry(stack, backoff.seconds(failures, POLL_MOVING, LONGEST_RETRY))

    def act(self, stack: StackId) -> bool:
        """Submit the due calls of one stack; True while a window opens or a stop is pending there."""
        now, served = self._context.database.now(), self._context.stacks.get(stack)
        if served is None:
            return False
        spec = served.spec
        with self._context.database.read() as session:
            seen = services.of(session, stack)
            scene = StackSituation(session, spec, seen, rows.unfinished_windows(session, stack), now)
            opening = [one for one in scene.windows if one.state == State.OPENING and one.deadline > now]
            starts = [one.id for one in opening if self._without_call(stack, startable(spec, seen, one))]
            stops = self._without_call(stack, stoppable(spec, seen, scene.held, now))
            stop_pending = any(
                row.stop_pending and row.role != Role.CORE and name not in scene.held
                for name, row in seen.items()
            )
        for window in starts:
            self._pools.open_soon(window)
        if stops:
            self._pools.close_soon(stack)
        return bool(opening) or stop_pending

    def _run_round(self) -> None:
        self._context.guard.run(Loop.LOOKS, self._submit_due)

    def _submit_due(self) -> None:
        self._queue.wait()
        self._context.repairs.confirm(self._context.engine.now)
        self._stopping.wait(GATHER_BUSY if self._context.under_way else GATHER)
        for stack in self.due_stacks():
            self._running.submit(stack, partial(self.inspect_or_retry, stack))

    def _without_call(self, stack: StackId, names: Iterable[str]) -> list[str]:
        """Services for which this worker has no call under way or queued."""
        queues = self._context.opening, self._context.closing
        return [name for name in names if not any((stack, name) in queue for queue in queues)]
