"""The loop that starts this node's runs, each in its own thread, and finishes runs of dead workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.domain.scenarios import RunOutcome
from app.store import runs as rows
from app.store.tables import ScenarioRun
from app.usecases import runs
from workers.conductor.scenario_run import STOPPED_PHASE, ConductedRun, WorkerEnd
from workers.jobs.converging import Converging
from workers.jobs.job_loop import JobLoop
from workers.jobs.job_monitor import WORKER_STOPPED
from workers.state.context import WorkerContext


class Conductor(JobLoop[ScenarioRun]):
    """Find queued runs of this node, and runs whose worker is dead."""

    table, loop, word = ScenarioRun, Loop.RUNS, "run"
    end_wait = 20.0
    """The runs under way close their windows, and their services stop meanwhile."""

    def __init__(self, context: WorkerContext, converging: Converging) -> None:
        super().__init__(context)
        self._converging, self._waited = converging, threading.Event()

    def end(self) -> None:
        """Begin nothing more; cut the runs under way, which close their windows; wait `end_wait` for them.

        Services have to be stopped meanwhile, so the worker's watch ends later. A run whose services are not
        off by then is left to the next worker.
        """
        super().end()
        self._waited.set()

    def claim(self, row: ScenarioRun) -> Callable[[], None] | None:
        """Claim a queued run; return what conducts it."""
        with self.context.database.write() as session:
            now = self.context.database.now()
            if runs.claim_run(session, row.id, self.context.me.name, now) is None:
                return None
        return self._conduct_run(row.id).conduct

    def end_left_over(self, row: ScenarioRun, reason: str) -> None:
        """Take over a run that no live worker conducts, and end it in a thread of its own."""
        with self.context.database.write() as session:
            if runs.take_over_run(session, row.id, row.worker, self.context.me.name) is None:
                return
        self.start(row.id, partial(self._conduct_run(row.id).end_left_over, reason))

    def describe_death(self, row: ScenarioRun) -> str:
        """Why no worker conducts this run any more."""
        return WORKER_STOPPED if row.detail == STOPPED_PHASE else super().describe_death(row)

    def fail(self, session: Session, row: ScenarioRun, detail: str, now: datetime) -> None:
        """Finish a run that cannot begin as failed."""
        runs.finish_run(session, row.id, RunOutcome.FAILED, detail, report=None, now=now)

    def forget(self, session: Session, before: datetime) -> None:
        """Delete the finished runs that were asked for before this time."""
        rows.forget(session, before)

    def _conduct_run(self, run: str) -> ConductedRun:
        with self.context.database.read() as session:
            row = rows.with_report(session, run)
        assert row is not None
        ending = WorkerEnd(self.stopping.is_set, self._waited.is_set)
        return ConductedRun(self.context, self._converging, row, ending)
