"""Follows the row and the window of a run while it goes on, and interrupts the run where one of them ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.domain.enums import CloseReason, Loop, State
from app.host.periodic_thread import PeriodicThread
from app.store import runs
from app.store import windows as rows
from app.store.tables import ScenarioRun, Window
from workers.conductor.run_record import RunRecord
from workers.state.context import WorkerContext

MONITOR_INTERVAL = 0.25
"""Seconds between two readings."""


WORKER_STOPPED = "its worker was stopped"
"""Why a run was cut whose worker ended in order."""


class RunMonitor:
    """Reads a run's row and window; writes its progress; notes changes of its services."""

    def __init__(
        self, context: WorkerContext, run: str, record: RunRecord, stopping: Callable[[], bool]
    ) -> None:
        """`stopping` returns whether the worker is about to end."""
        self._context, self._run, self._record, self._stopping = context, run, record, stopping
        self.interrupted = threading.Event()
        """Set where the run must not go on with its steps."""
        self.reason = ""
        """Why it was interrupted."""
        self.window_failed = False
        """True where the window ended by itself, since none of its services came up."""
        self._closing = False
        self._written = -1
        self._states: dict[str, str] = {}
        self._thread = PeriodicThread(
            "run-monitor", self._run_round, lambda: MONITOR_INTERVAL, pause_first=False
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after one more reading."""
        self._thread.stop(timeout=5)
        self._run_round()

    def expect_closing(self) -> None:
        """From now on the run itself closes its window, so that the window's end interrupts nothing."""
        self._closing = True

    def _run_round(self) -> None:
        self._context.guard.run(Loop.RUNS, self.read, f"run {self._run}")

    def read(self) -> None:
        """Read row and window once, and write the progress where it has changed."""
        if self._stopping():
            self._interrupt(WORKER_STOPPED)
        version = self._record.version
        with self._context.database.read() as session:
            row = runs.get(session, self._run)
            window = rows.get(session, row.window_id) if row and row.window_id else None
            if row:
                self._compare(row, window)
        if version != self._written:
            with self._context.database.write() as session:
                runs.note_progress(session, self._run, self._record.phase, self._record.step_rows())
            self._written = version

    def _compare(self, row: ScenarioRun, window: Window | None) -> None:
        if row.cancelled_by is not None:
            self._interrupt(f"cancelled by {row.cancelled_by}")
        if window is None:
            return
        now = self._context.database.now()
        self._note("", "window", window.state, window.close_detail or "")
        for lease in window.leases:
            self._note(lease.service, "power", lease.power, lease.detail)
        over = window.state in {State.CLOSING, State.CLOSED} or window.deadline <= now
        if over and not self._closing:
            self.window_failed = window.close_reason == CloseReason.FAILED
            self._interrupt(f"its window ended: {window.close_detail or 'its time was up'}")

    def _note(self, service: str, what: str, word: str, detail: str) -> None:
        if self._states.get(service) != word:
            self._states[service] = word
            change = f"{word}: {detail}" if detail else str(word)
            self._record.note_change(service, what, change, self._context.database.now())

    def _interrupt(self, reason: str) -> None:
        if not self.interrupted.is_set():
            self.reason = reason
            self.interrupted.set()
