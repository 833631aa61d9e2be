"""What every route of one web process shares."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings import Settings
from app.store.database import Database
from app.task_queue import Dispatch
from app.web.authentication import Authenticator
from app.web.event_feed import EventFeed
from app.web.metrics import Metrics
from app.web.readiness import ReadinessProbe
from app.web.refusal_audit import RefusalAudit
from app.web.response_cache import CachedRead, ResponseCache
from app.web.stream_capacity import StreamCapacity
from app.web.wake_cache import WakeCache
from app.web.window_waits import WindowWaits


@dataclass(frozen=True, slots=True)
class WebContext:
    """What every route uses: settings, database, task queue, and what is kept between requests."""

    settings: Settings
    database: Database
    dispatch: Dispatch
    door: Authenticator
    tail: EventFeed
    waiting: WindowWaits
    streams: StreamCapacity
    readers: StreamCapacity
    gauges: Metrics
    memory: ResponseCache[CachedRead]
    wake_cache: WakeCache
    refusals: RefusalAudit
    readiness: ReadinessProbe

    def count_unsent(self, sent: bool) -> None:
        """A nudge that did not go out is counted; the watch of the node sees to the window."""
        if not sent:
            self.gauges.unsent.inc()
