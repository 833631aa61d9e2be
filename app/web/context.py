"""What every route of one front shares: the house behind it, and who waits in front."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings import Settings
from app.store.database import Database
from app.task_queue import Dispatch
from app.web.authentication import Door
from app.web.event_feed import Tail
from app.web.metrics import Gauges
from app.web.readiness import Readiness
from app.web.refusal_audit import RepeatedRefusals
from app.web.response_cache import Kept, Memory
from app.web.stream_capacity import Seats
from app.web.wake.wake_cache import Doorbell
from app.web.window_waits import Waiting


@dataclass(frozen=True, slots=True)
class Front:
    settings: Settings
    database: Database
    dispatch: Dispatch
    door: Door
    tail: Tail
    waiting: Waiting
    streams: Seats
    readers: Seats
    gauges: Gauges
    memory: Memory[Kept]
    doorbell: Doorbell
    refusals: RepeatedRefusals
    readiness: Readiness

    def nudged(self, sent: bool) -> None:
        """A nudge that did not go out is counted; the watch of the node sees to the window."""
        if not sent:
            self.gauges.unsent.inc()
