"""Follows the row and the window of a run, and notes every change of its services in the run's record."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.domain.enums import CloseReason, Loop, State
from app.store import runs
from app.store.tables import ScenarioRun, Window
from workers.conductor.run_record import RunRecord
from workers.jobs.job_monitor import JobMonitor
from workers.state.context import WorkerContext


class RunMonitor(JobMonitor[ScenarioRun]):
    """Reads a run's row and window; writes its progress; notes changes of its services."""

    table, loop, word = ScenarioRun, Loop.RUNS, "run"

    def __init__(
        self, context: WorkerContext, run: str, record: RunRecord, stopping: Callable[[], bool]
    ) -> None:
        """`stopping` returns whether the worker is about to end."""
        super().__init__(context, run, stopping)
        self._record = record
        self.window_failed = False
        """True where the window ended by itself, since none of its services came up."""
        self._closing = False
        self._states: dict[str, str] = {}

    def stop(self) -> None:
        """Stop, after one more reading."""
        super().stop()
        self.run_round()

    def expect_closing(self) -> None:
        """From now on the run itself closes its window, so that the window's end interrupts nothing."""
        self._closing = True

    def progress_version(self) -> int:
        """The version of the run's record."""
        return self._record.version

    def write_progress(self, session: Session) -> None:
        """Write the phase and the steps of the run to its row."""
        runs.note_progress(session, self.job, self._record.phase, self._record.step_rows())

    def compare_window(self, window: Window) -> None:
        """Note what has changed; interrupt the run where its window has ended too early."""
        self._note("", "window", window.state, window.close_detail or "")
        for lease in window.leases:
            self._note(lease.service, "power", lease.power, lease.detail)
        now = self.context.database.now()
        over = window.state in {State.CLOSING, State.CLOSED} or window.deadline <= now
        if over and not self._closing:
            self.window_failed = window.close_reason == CloseReason.FAILED
            self.interrupt(f"its window ended: {window.close_detail or 'its time was up'}")

    def _note(self, service: str, what: str, word: str, detail: str) -> None:
        if self._states.get(service) != word:
            self._states[service] = word
            change = f"{word}: {detail}" if detail else str(word)
            self._record.note_change(service, what, change, self.context.database.now())
