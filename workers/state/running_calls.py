"""The compose calls this worker is making right now; each can be cut short from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.domain.enums import Action
from app.domain.stack_id import StackId
from workers.engine.compose import Cancellation
from workers.state.live_output import LiveOutput

ENDS_WITHIN = 2.0
"""Seconds that a call that was cut short is waited for: its processes are killed, and its end recorded."""


@dataclass(slots=True)
class RunningCall:
    """One call under way. `forced`: when it began, the service was to be killed already."""

    id: int
    """The id of its row."""
    stack: StackId
    service: str
    action: Action
    output: LiveOutput
    forced: bool = False
    began: float = field(default_factory=time.monotonic)
    """A reading of `time.monotonic`."""
    cancellation: Cancellation = field(default_factory=Cancellation)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def cancelled(self) -> bool:
        """Whether the call has been asked to end."""
        return bool(self.cancellation.reason)


class RunningCalls:
    """At most one call for each service of a stack; safe to share between threads."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], RunningCall] = {}

    @contextmanager
    def during(self, call: RunningCall) -> Iterator[RunningCall]:
        """List the call for as long as the block lasts."""
        key = call.stack, call.service
        self._calls[key] = call
        try:
            yield call
        finally:
            self._calls.pop(key, None)
            call.ended.set()

    def get(self, stack: StackId, service: str) -> RunningCall | None:
        """The call under way for a service, or None."""
        return self._calls.get((stack, service))

    def all(self) -> list[RunningCall]:
        """Every call under way."""
        return list(self._calls.values())
