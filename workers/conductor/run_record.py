"""The record of a run while it goes on, for all its threads: its steps, its time line and its notes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.domain import untrusted_text
from app.domain.scenarios import StepStatus
from app.store.tables import stamp

MOST_CHANGES = 100
"""Entries of the time line for one service, at most."""
MOST_TRIES = 20
"""Tries of one step that a report shows, at most: the first one and the last."""
LONGEST_STEP_DETAIL = 500
"""Characters of a detail, at most."""


def clean_detail(text: str) -> str:
    """A detail as it may be stored: bounded, and without what no database keeps."""
    return untrusted_text.shorten(untrusted_text.storable(text), LONGEST_STEP_DETAIL)


class RunRecord:
    """The steps, the time line and the notes of one run."""

    def __init__(self, steps: Iterable[Mapping[str, Any]]) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, dict[str, Any]] = {one["name"]: dict(one) for one in steps}
        self._tries: dict[str, list[dict[str, Any]]] = {name: [] for name in self._steps}
        self._timeline: list[dict[str, Any]] = []
        self._changes: Counter[str] = Counter()
        self._notes: list[str] = []
        self._phase = ""
        self._version = 0
        self.failed_first: dict[str, Any] | None = None
        """The step or the service that failed first, with the time and the reason."""

    @property
    def version(self) -> int:
        """Grows with every change that a reader of the run's row should see."""
        with self._lock:
            return self._version

    @property
    def phase(self) -> str:
        """What the run does now."""
        with self._lock:
            return self._phase

    def begin_phase(self, phase: str, now: datetime) -> None:
        """The run does this from now on."""
        with self._lock:
            self._phase = phase
            self._version += 1
        self.note_change("", "phase", phase, now)

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes of the report."""
        with self._lock:
            self._notes.append(clean_detail(sentence))

    def note_change(self, service: str, what: str, detail: str, now: datetime) -> None:
        """Add a change to the time line; `service` is empty for one of the run or its window."""
        with self._lock:
            self._changes[service] += 1
            if self._changes[service] <= MOST_CHANGES:
                entry = {"at": stamp(now), "service": service, "what": what, "detail": clean_detail(detail)}
                self._timeline.append(entry)

    def note_failure(self, what: str, detail: str, now: datetime) -> None:
        """Remember what failed, unless something has failed before."""
        with self._lock:
            first = {"what": what, "at": stamp(now), "detail": clean_detail(detail)}
            self.failed_first = self.failed_first or first

    def set_step(self, name: str, status: StepStatus, detail: str | None, now: datetime) -> None:
        """Move a step on; a detail of None stays as it was."""
        with self._lock:
            step = self._steps[name]
            step["status"] = str(status)
            step["detail"] = step["detail"] if detail is None else clean_detail(detail)
            self._version += 1
        if status is StepStatus.FAILED:
            self.note_failure(f"step {name}", detail or "", now)

    def add_try(self, name: str, *, ok: bool, detail: str, began: datetime, elapsed_ms: int) -> None:
        """Add one try of a step."""
        with self._lock:
            self._steps[name]["tries"] += 1
            self._steps[name]["detail"] = clean_detail(detail)
            tries = self._tries[name]
            tries.append(
                {"at": stamp(began), "ok": ok, "elapsed_ms": elapsed_ms, "detail": clean_detail(detail)}
            )
            if len(tries) > MOST_TRIES:
                del tries[1]
            self._version += 1

    def statuses(self) -> dict[str, StepStatus]:
        """Each step's status."""
        with self._lock:
            return {name: StepStatus(step["status"]) for name, step in self._steps.items()}

    def step_rows(self) -> list[dict[str, Any]]:
        """Each step as the run's row has it."""
        with self._lock:
            return [dict(step) for step in self._steps.values()]

    def reported_steps(self) -> list[dict[str, Any]]:
        """Each step with its tries, as the report has it."""
        with self._lock:
            return [
                {**step, "attempts": [dict(one) for one in self._tries[name]]}
                for name, step in self._steps.items()
            ]

    def timeline(self) -> list[dict[str, Any]]:
        """The time line so far, oldest first."""
        with self._lock:
            return sorted((dict(one) for one in self._timeline), key=lambda one: str(one["at"]))

    def notes(self) -> list[str]:
        """The notes so far."""
        with self._lock:
            return list(self._notes)
