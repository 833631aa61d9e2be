"""Services that wait for a diagnosis: each at most once, bounded; submitting never blocks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.readiness import Container
from app.domain.stack_id import StackId

MOST_WAITING = 500
"""Services that wait at the most; the oldest gives way."""
APART = 3.0
"""Seconds between two diagnoses of one service in one state."""


@dataclass(frozen=True, slots=True)
class DiagnosisRequest:
    """One service that fails, or whose call failed, as it was seen at that moment.

    With an empty `service` it is the stack whose files were refused, for `faults`.
    """

    stack: StackId
    service: str
    detail: str = ""
    containers: tuple[Container, ...] = ()
    faults: tuple[str, ...] = ()
    stopped_in: float | None = None
    """Seconds that a stop took which went well and was slow."""
    blocked: str = ""
    """The dependency that keeps it from starting, in words."""
    window: str = ""
    """The window in which it is blocked; else empty."""

    @property
    def key(self) -> tuple[StackId, str]:
        """What it is about."""
        return self.stack, self.service

    @property
    def signature(self) -> tuple[object, ...]:
        """The facts whose change makes a new diagnosis due at once."""
        seen = ((one.id, one.state, one.health, one.exit_code, one.error) for one in self.containers)
        return (*seen, self.faults, self.stopped_in, self.blocked, self.window)


class DiagnosisQueue:
    """The requests of one worker, taken by its diagnosing loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: OrderedDict[tuple[StackId, str], DiagnosisRequest] = OrderedDict()
        self._last: dict[tuple[StackId, str], tuple[tuple[object, ...], float]] = {}
        self._unhealthy: dict[tuple[StackId, str], frozenset[str]] = {}
        self._current: DiagnosisRequest | None = None

    def submit(self, request: DiagnosisRequest, *, again: bool = False) -> None:
        """Diagnose this soon, unless it was just done in the same state; `again` does it in any case.

        A service that a dependency keeps from starting is diagnosed once for each reason and window.
        """
        with self._changed:
            signature, at = self._last.get(request.key, ((), -APART))
            recent = bool(request.blocked) or self._clock() - at < APART
            if not again and signature == request.signature and recent:
                return
            self._waiting[request.key] = request
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            self._changed.notify_all()

    def take(self, timeout: float) -> DiagnosisRequest | None:
        """The request that has waited longest; None where there is none for `timeout` seconds."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(timeout)
            if not self._waiting:
                return None
            key, request = self._waiting.popitem(last=False)
            self._last[key] = (request.signature, self._clock())
            self._current = request
            return request

    def finish(self) -> None:
        """The request that was taken last is done with."""
        with self._changed:
            self._current = None
            self._changed.notify_all()

    def await_finished(self, stack: StackId, timeout: float) -> bool:
        """Wait until no service of a stack waits for its diagnosis; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_pending(stack), timeout)

    def _is_pending(self, stack: StackId) -> bool:
        current = self._current is not None and self._current.stack == stack
        return current or any(request.stack == stack for request in self._waiting.values())

    def note_unhealthy(self, key: tuple[StackId, str], containers: Sequence[Container]) -> None:
        """Remember which containers of a service run and are unhealthy, to notice their recovery.

        The engine calls a stopped container unhealthy, too; its next start is no recovery.
        """
        if ids := frozenset(one.id for one in containers if one.alive and one.health == "unhealthy"):
            self._unhealthy[key] = ids

    def has_recovered(self, key: tuple[StackId, str], containers: Sequence[Container]) -> bool:
        """Is a container healthy that was unhealthy before? True once."""
        ids = self._unhealthy.get(key, frozenset())
        if not any(one.id in ids and one.health == "healthy" for one in containers):
            return False
        self._unhealthy.pop(key, None)
        return True

    def wake(self) -> None:
        """Wake every thread that waits in `take`, so that it can stop."""
        with self._changed:
            self._changed.notify_all()
