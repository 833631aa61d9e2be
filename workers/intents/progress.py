"""How far one request is, for the threads that work on it, and its monitor, which writes that to the row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.domain import untrusted_text
from app.domain.enums import Loop, State
from app.domain.intents import BuildStatus, IntentState
from app.store import intents as rows
from app.store.tables import IntentRequest, Window
from workers.conductor.run_record import RunRecord
from workers.engine.compose import Cancellation
from workers.jobs.job_monitor import JobMonitor
from workers.state.context import WorkerContext

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


class RequestMonitor(JobMonitor[IntentRequest]):
    """Interrupts a request that is cancelled or whose window ends; writes its progress."""

    table, loop, word = IntentRequest, Loop.INTENTS, "request"

    def __init__(
        self,
        context: WorkerContext,
        request: str,
        progress: RequestProgress,
        stopping: Callable[[], bool],
    ) -> None:
        """`stopping` returns whether the worker is about to end."""
        super().__init__(context, request, stopping)
        self._progress = progress
        self.cancellation = Cancellation()
        """Ends the build that goes on."""

    def progress_version(self) -> int:
        """The version of the request's progress."""
        return self._progress.version

    def write_progress(self, session: Session) -> None:
        """Write state, builds and checks of the request to its row."""
        progress = self._progress
        rows.note_progress(
            session,
            self.job,
            progress.state,
            progress.detail,
            builds=progress.builds(),
            checks=progress.record.step_rows(),
        )

    def compare_window(self, window: Window) -> None:
        """Interrupt the request where its window has ended."""
        if window.state in {State.CLOSING, State.CLOSED}:
            self.interrupt(f"its window ended: {window.close_detail or window.close_reason}")

    def interrupt(self, reason: str) -> None:
        """Interrupt the request, and the build that goes on."""
        super().interrupt(reason)
        self.cancellation.cancel(self.reason)
