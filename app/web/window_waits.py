"""Wait for a window on behalf of a client.

The event feed wakes the waiting requests, so the database is read only after a change.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from app.domain.enums import State
from app.store import windows
from app.store.database import Database
from app.store.tables import Window
from app.web.event_feed import Behind, EventFeed, Listener
from app.web.problems import DATABASE_ERRORS
from app.web.stream_capacity import StreamCapacity
from app.web.viewing import current_viewer

WaitCondition = Callable[[Window], bool]

log = logging.getLogger(__name__)


def is_outcome_known(window: Window) -> bool:
    """True where the window is no longer waiting or opening."""
    return window.state not in {State.WAITING, State.OPENING}


def is_closed(window: Window) -> bool:
    """True where the window is closed."""
    return window.state == State.CLOSED


class WindowWaits:
    """Waits for windows on behalf of clients; `capacity` limits how many wait at the same time."""

    def __init__(self, database: Database, feed: EventFeed, capacity: StreamCapacity) -> None:
        self._database, self._feed, self.capacity = database, feed, capacity

    def until(self, condition: WaitCondition, window: str, seconds: float) -> bool:
        """Wait until the condition is true of the window, at most `seconds`.

        False where the capacity is used up: the request is answered at once then.
        """
        with self.capacity.hold(current_viewer().namespace) as acquired:
            if acquired and seconds > 0:
                self._wait(condition, window, time.monotonic() + seconds)
            return acquired

    def _wait(self, condition: WaitCondition, window: str, until: float) -> None:
        try:
            with self._feed.listen() as listener:
                while not self._is_met(condition, window) and time.monotonic() < until:
                    _wait_for_change(listener, window, until)
        except DATABASE_ERRORS as error:
            # The request was accepted and committed before; the answer has the window as it was last read.
            log.warning("the wait for window %s was cut short: %s", window, error)

    def _is_met(self, condition: WaitCondition, window: str) -> bool:
        with self._database.read() as session:
            row = windows.get(session, window)
            return row is None or condition(row)


def _wait_for_change(listener: Listener, window: str, until: float) -> None:
    """Return at the next entry of this window, or at `until`."""
    while (left := until - time.monotonic()) > 0:
        try:
            if any(entry.window == window for entry in listener.next(left)):
                return
        except Behind:
            listener.catch_up()
            return
