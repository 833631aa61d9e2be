"""What every route of one web process shares."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings import Settings
from app.store.changes import ChangeCounter
from app.store.database import Database
from app.task_queue import Dispatch
from app.web import server
from app.web.authentication import Authenticator
from app.web.event_feed import EventFeed
from app.web.metrics import Metrics
from app.web.readiness import BrokerProbe, ReadinessProbe
from app.web.refusal_audit import RefusalAudit
from app.web.response_cache import CachedRead, ResponseCache
from app.web.stream_capacity import StreamCapacity
from app.web.viewing import ViewerDatabase
from app.web.wake_cache import WakeCache
from app.web.window_waits import WindowWaits


@dataclass(frozen=True, slots=True)
class WebContext:
    """Settings, database, task queue, and the state that one web process keeps between requests."""

    settings: Settings
    database: ViewerDatabase
    """The database as the caller of the request sees it."""
    dispatch: Dispatch
    authenticator: Authenticator
    event_feed: EventFeed
    window_waits: WindowWaits
    streams: StreamCapacity
    readers: StreamCapacity
    metrics: Metrics
    response_cache: ResponseCache[CachedRead]
    wake_cache: WakeCache
    refusals: RefusalAudit
    readiness: ReadinessProbe

    @classmethod
    def of(cls, settings: Settings, database: Database, dispatch: Dispatch) -> WebContext:
        """The context of a new web process."""
        feed, changes = EventFeed(database), ChangeCounter(database)
        streams, waits = StreamCapacity(server.STREAMS), StreamCapacity(server.WAITS)
        metrics = Metrics(database, dispatch, streams, waits, feed.guard)
        return cls(
            settings=settings,
            database=ViewerDatabase(database),
            dispatch=dispatch,
            authenticator=Authenticator(database, metrics.unknown_tokens.inc, changes),
            event_feed=feed,
            window_waits=WindowWaits(database, feed, waits),
            streams=streams,
            readers=StreamCapacity(server.READERS),
            metrics=metrics,
            response_cache=ResponseCache(changes),
            wake_cache=WakeCache(changes),
            refusals=RefusalAudit(database),
            readiness=ReadinessProbe(settings, database, BrokerProbe(dispatch)),
        )

    def count_unsent(self, sent: bool) -> None:
        """Count a message that the broker did not take; the worker finds the window in the database later."""
        if not sent:
            self.metrics.unsent.inc()
