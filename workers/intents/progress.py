"""How far one request is, for the threads that work on it, and its monitor, which writes that to the row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.domain import untrusted_text
from app.domain.enums import Loop, State
from app.domain.intents import BuildStatus, IntentState
from app.host.periodic_thread import PeriodicThread
from app.store import intents as rows
from app.store import windows
from app.store.tables import IntentRequest
from workers.conductor.run_record import RunRecord
from workers.engine.compose import Cancellation
from workers.state.context import WorkerContext

WATCH_INTERVAL = 0.4
"""Seconds between two readings of a request's row and window."""
LONGEST_BUILD_DETAIL = 500
"""Characters of why a build failed, at most."""


class RequestProgress:
    """State, builds and checks of one request."""

    def __init__(self, builds: Sequence[Mapping[str, Any]]) -> None:
        self._lock = threading.Lock()
        self._builds = {str(one["service"]): dict(one) for one in builds}
        self._version = 0
        self.state, self.detail = IntentState.BUILDING, ""
        self.record = RunRecord([])
        """The checks; replaced when they are known."""

    @property
    def version(self) -> int:
        """Grows with every change that a reader of the row should see."""
        with self._lock:
            return self._version + self.record.version

    def begin_state(self, state: IntentState, detail: str) -> None:
        """The request does this from now on."""
        with self._lock:
            self.state, self.detail = state, detail
            self._version += 1

    def plan_builds(self, services: Sequence[str]) -> None:
        """These services are built, in this order."""
        pending = str(BuildStatus.PENDING)
        with self._lock:
            self._builds = {name: {"service": name, "status": pending, "detail": ""} for name in services}
            self._version += 1

    def plan_checks(self, record: RunRecord) -> None:
        """The checks are these."""
        with self._lock:
            self.record = record
            self._version += 1

    def set_build(self, service: str, status: BuildStatus, detail: str) -> None:
        """Move a build on."""
        with self._lock:
            shown = untrusted_text.shorten(untrusted_text.storable(detail), LONGEST_BUILD_DETAIL)
            self._builds[service] |= {"status": str(status), "detail": shown}
            self._version += 1

    def builds(self) -> list[dict[str, Any]]:
        """Each build as the row has it."""
        with self._lock:
            return [dict(one) for one in self._builds.values()]

    def built(self) -> list[str]:
        """The services whose image is new."""
        return [one["service"] for one in self.builds() if one["status"] == BuildStatus.BUILT]


class RequestMonitor:
    """Interrupts a request that is cancelled or whose window ends; writes its progress."""

    def __init__(
        self,
        context: WorkerContext,
        request: str,
        progress: RequestProgress,
        stopping: Callable[[], bool],
    ) -> None:
        """`stopping` tells whether the worker is about to end."""
        self._context, self._request, self._progress, self._stopping = context, request, progress, stopping
        self.interrupted = threading.Event()
        self.reason = ""
        """Why it was interrupted."""
        self.cancellation = Cancellation()
        """Ends the build that goes on."""
        self._written = -1
        self._thread = PeriodicThread(
            "intent-monitor", self._watch, lambda: WATCH_INTERVAL, pause_first=False
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._thread.stop(timeout=5)

    def _watch(self) -> None:
        self._context.guard.run(Loop.INTENTS, self.read, f"request {self._request}")

    def read(self) -> None:
        """Read row and window once, and write the progress where it has changed."""
        if self._stopping():
            self._interrupt("its worker was stopped")
        version = self._progress.version
        with self._context.database.read() as session:
            row = rows.get(session, self._request)
            window = windows.get(session, row.window_id) if row and row.window_id else None
            if row is not None:
                self._compare(row)
            if window is not None and window.state in {State.CLOSING, State.CLOSED}:
                self._interrupt(f"its window ended: {window.close_detail or window.close_reason}")
        if version != self._written:
            self._write()
            self._written = version

    def _write(self) -> None:
        progress = self._progress
        with self._context.database.write() as session:
            rows.note_progress(
                session,
                self._request,
                progress.state,
                progress.detail,
                builds=progress.builds(),
                checks=progress.record.step_rows(),
            )

    def _compare(self, row: IntentRequest) -> None:
        if row.cancelled_by is not None:
            self._interrupt(f"cancelled by {row.cancelled_by}")

    def _interrupt(self, reason: str) -> None:
        if not self.interrupted.is_set():
            self.reason = reason
            self.interrupted.set()
        self.cancellation.cancel(self.reason)
