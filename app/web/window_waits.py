"""Waiting for a window on behalf of a caller, without asking the database over and over."""

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

Done = Callable[[Window], bool]

log = logging.getLogger(__name__)


def is_outcome_known(window: Window) -> bool:
    """True where the window is no longer waiting or opening."""
    return window.state not in {State.WAITING, State.OPENING}


def is_closed(window: Window) -> bool:
    """True where the window is closed."""
    return window.state == State.CLOSED


class WindowWaits:
    """Waits for windows on behalf of callers, by the event feed."""

    def __init__(self, database: Database, tail: EventFeed, capacity: StreamCapacity) -> None:
        self._database, self._tail, self._seats = database, tail, capacity

    def until(self, done: Done, window: str, seconds: float) -> bool:
        """Return when the window is as it was wanted, or when the time is up.

        False where there was no seat to wait in: the caller is answered at once then.
        """
        with self._seats.seat() as seated:
            if seated and seconds > 0:
                self._wait(done, window, time.monotonic() + seconds)
            return seated

    def _wait(self, done: Done, window: str, until: float) -> None:
        try:
            with self._tail.listen() as listener:
                while not self._is(done, window) and time.monotonic() < until:
                    _wait_for_change(listener, window, until)
        except DATABASE_ERRORS as error:
            # What was accepted stays accepted; the caller is told what is known.
            log.warning("waiting for window %s was cut short: %s", window, error)

    def _is(self, done: Done, window: str) -> bool:
        with self._database.read() as session:
            found = windows.get(session, window)
            return found is None or done(found)


def _wait_for_change(listener: Listener, window: str, until: float) -> None:
    """Return when there is news of this window, or when the time is up."""
    while (left := until - time.monotonic()) > 0:
        try:
            if any(news.window == window for news in listener.next(left)):
                return
        except Behind:
            listener.catch_up()
            return
