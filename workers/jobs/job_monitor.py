"""Follows the row and the window of a job while it goes on, and interrupts the job where one of them ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from app.store import windows
from app.store.jobs import JobRow
from app.store.tables import Window
from workers.state.context import WorkerContext

MONITOR_INTERVAL = 0.25
"""Seconds between two readings."""
WORKER_STOPPED = "its worker was stopped"
"""Why a job was cut whose worker ended in order."""


class JobMonitor(ABC, Generic[JobRow]):
    """Reads a job's row and window, and writes its progress."""

    table: type[JobRow]
    loop: Loop
    """Under this name the failures of the monitor are counted."""
    word: str
    """What messages call the job."""

    def __init__(self, context: WorkerContext, job: str, stopping: Callable[[], bool]) -> None:
        """`stopping` returns whether the worker is about to end."""
        self.context, self.job, self._stopping = context, job, stopping
        self.interrupted = threading.Event()
        """Set where the job must not go on."""
        self.reason = ""
        """Why it was interrupted."""
        self._written = -1
        self._thread = PeriodicThread(
            f"{self.word}-monitor", self.run_round, lambda: MONITOR_INTERVAL, pause_first=False
        )

    @abstractmethod
    def progress_version(self) -> int:
        """Return a number that grows with every change that a reader of the row should see."""

    @abstractmethod
    def write_progress(self, session: Session) -> None:
        """Write how far the job is to its row."""

    @abstractmethod
    def compare_window(self, window: Window) -> None:
        """Interrupt the job where the state of its window asks for it."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._thread.stop(timeout=5)

    def run_round(self) -> None:
        """Call `read`, and count a failure."""
        self.context.guard.run(self.loop, self.read, f"{self.word} {self.job}")

    def read(self) -> None:
        """Read row and window once, and write the progress where it has changed."""
        if self._stopping():
            self.interrupt(WORKER_STOPPED)
        version = self.progress_version()
        with self.context.database.read() as session:
            self._compare(session)
        if version != self._written:
            with self.context.database.write() as session:
                self.write_progress(session)
            self._written = version

    def _compare(self, session: Session) -> None:
        row = session.get(self.table, self.job)
        if row is None:
            return
        if row.cancelled_by is not None:
            self.interrupt(f"cancelled by {row.cancelled_by}")
        window = windows.get(session, row.window_id) if row.window_id else None
        if window is not None:
            self.compare_window(window)

    def interrupt(self, reason: str) -> None:
        """Interrupt the job; the first reason stands."""
        if not self.interrupted.is_set():
            self.reason = reason
            self.interrupted.set()
