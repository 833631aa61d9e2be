"""What every route of one front shares: the house behind it, and who waits in front."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.auth import Door
from app.api.doorbell import Doorbell
from app.api.gauges import Gauges
from app.api.memory import Kept, Memory
from app.api.readiness import Readiness
from app.api.repeated_refusals import RepeatedRefusals
from app.api.seats import Seats
from app.api.tail import Tail
from app.api.waiting import Waiting
from app.dispatch import Dispatch
from app.settings import Settings
from app.store.database import Database


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
