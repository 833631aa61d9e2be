"""The loop that starts this node's runs, each in its own thread, and finishes runs of dead workers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from app.domain.enums import Loop
from app.domain.scenarios import RunOutcome, RunState
from app.store import jobs
from app.store import runs as rows
from app.store.tables import ScenarioRun
from app.usecases import runs
from workers.conductor.monitor import WORKER_STOPPED
from workers.conductor.scenario_run import STOPPED_PHASE, ConductedRun, Converging, WorkerEnd
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

CONDUCT_INTERVAL = 2.0
"""Seconds between two rounds; a task message begins the next one at once."""
PARALLEL_RUNS = 4
"""Runs that are conducted at the same time; others stay queued."""
UNSERVED_WAIT = timedelta(minutes=2)
"""How long a run waits for its stack to be served here."""
RUN_RETENTION = timedelta(days=90)
"""How long a finished run is stored."""
END_WAIT = 20.0
"""Seconds for which a worker that ends waits for its runs, and for the stops of their services."""
_FORGET = 3600.0


class Conductor:
    """Find queued runs of this node, and runs whose worker is dead."""

    def __init__(self, context: WorkerContext, converging: Converging) -> None:
        self._context, self._converging = context, converging
        self._stopping, self._waited = threading.Event(), threading.Event()
        self._hint = threading.Event()
        self._lock = threading.Lock()
        self._active: dict[str, threading.Thread] = {}
        self._forget_at = time.monotonic()
        self._thread = threading.Thread(target=self._repeat, name="conductor", daemon=True)

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more; cut the runs under way, which close their windows; wait END_WAIT for them.

        Services have to be stopped meanwhile, so the worker's watch ends later. A run whose services are not
        off by then is left to the next worker.
        """
        self._stopping.set()
        self._hint.set()
        self._thread.join(timeout=5)
        until = time.monotonic() + END_WAIT
        for thread in list(self._active.values()):
            thread.join(timeout=max(0.0, until - time.monotonic()))
        self._waited.set()

    def wake(self) -> None:
        """Begin the next round at once."""
        self._hint.set()

    @property
    def busy(self) -> int:
        """Runs that are conducted now."""
        with self._lock:
            return len(self._active)

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            if not self._context.snapshot.away:
                self._context.guard.run(Loop.RUNS, self.turn)
            self._hint.wait(CONDUCT_INTERVAL)
            self._hint.clear()

    def turn(self) -> None:
        """Start queued runs, finish runs of dead workers, and delete old ones."""
        database = self._context.database
        with database.read() as session:
            unfinished = jobs.unfinished_jobs(session, ScenarioRun, self._context.node)
        for row in unfinished:
            self._context.guard.isolate(Loop.RUNS, f"run {row.id}", partial(self._attend, row))
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET
            with database.write() as session:
                rows.forget(session, database.now() - RUN_RETENTION)

    def _attend(self, row: ScenarioRun) -> None:
        if row.id in self._active or self._stopping.is_set():
            return
        if row.state == RunState.RUNNING:
            self._end_left_over(row)
        elif row.stack not in self._context.stacks:
            self._fail_unserved(row)
        elif self.busy < PARALLEL_RUNS:
            self._begin_run(row)

    def _begin_run(self, row: ScenarioRun) -> None:
        database = self._context.database
        with database.write() as session:
            if runs.claim_run(session, row.id, self._context.me.name, database.now()) is None:
                return
        conducted = self._conduct_run(row.id)
        self._start(row.id, conducted.conduct)

    def _end_left_over(self, row: ScenarioRun) -> None:
        """End a run that no live worker conducts."""
        me = self._context.me
        if row.worker != me.name and not me.dead(row.worker):
            return
        with self._context.database.write() as session:
            if runs.take_over_run(session, row.id, row.worker, me.name) is None:
                return
        died = "its thread ended with an error" if row.worker == me.name else "its worker died"
        died = WORKER_STOPPED if row.detail == STOPPED_PHASE else died
        reason = f"cancelled by {row.cancelled_by}" if row.cancelled_by else died
        log.warning("run %s was left over by worker %s", row.id, row.worker)
        conducted = self._conduct_run(row.id)
        self._start(row.id, partial(conducted.end_left_over, reason))

    def _fail_unserved(self, row: ScenarioRun) -> None:
        now = self._context.database.now()
        if now - row.created_at < UNSERVED_WAIT:
            return
        detail = f"stack {row.stack} is not served by node {row.node}"
        with self._context.database.write() as session:
            runs.finish_run(session, row.id, RunOutcome.FAILED, detail, report=None, now=now)

    def _conduct_run(self, run: str) -> ConductedRun:
        with self._context.database.read() as session:
            row = rows.with_report(session, run)
        assert row is not None
        ending = WorkerEnd(self._stopping.is_set, self._waited.is_set)
        return ConductedRun(self._context, self._converging, row, ending)

    def _start(self, run: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._run, args=(run, work), name=f"run-{run}", daemon=True)
        with self._lock:
            self._active[run] = thread
        thread.start()

    def _run(self, run: str, work: Callable[[], None]) -> None:
        try:
            self._context.guard.run(Loop.RUNS, work, f"run {run}")
        finally:
            with self._lock:
                self._active.pop(run, None)
            # A run that ended because something broke is ended properly, and a queued one begins.
            self._hint.set()
