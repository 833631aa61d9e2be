"""The newest audit entries, read once for all listeners.

One thread per process looks for new entries while a client listens, and hands them
to all listeners through one Condition: a waiting listener costs a blocked thread
and nothing else, no session and no loop. Who falls behind, or comes back from an
earlier place, reads what it missed from the database by its own place.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.enums import Loop
from app.host.loop_guard import LoopGuard
from app.store import audit
from app.store.database import Database, is_outage
from app.store.tables import Entry

POLL = 0.025
"""Seconds between looks."""
BUFFERED_ENTRIES = 5000
"""Entries kept for listeners that are a little behind."""
ENTRIES_PER_READ = 500
_AFTER_A_FAULT = 1.0


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One entry of the trail, written out once however many listen."""

    chain: str
    seq: int
    event: str
    window: str | None
    data: str


class Behind(Exception):
    """This listener is too far behind to be told; it has to read for itself."""


class EventFeed:
    """Reads new audit entries once for all listeners."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = threading.Condition()
        self._kept: deque[FeedPage] = deque(maxlen=BUFFERED_ENTRIES)
        self._told = 0
        self._place: dict[str, int] = {}
        self._listeners = 0
        self._running = False
        self.guard = LoopGuard(is_outage)
        self._thread: threading.Thread | None = None

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """A listener that hears everything committed from here on."""
        self._join()
        try:
            yield Listener(self)
        finally:
            with self._news:
                self._listeners -= 1

    def _join(self) -> None:
        with self._news:
            if not self._running:
                # Asked here rather than in the thread, so that nothing falls between.
                self._place = self.heads()
                self._running = True
                self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
                self._thread.start()
            self._listeners += 1

    def rest(self) -> None:
        """Return when the database is not being read for listeners that have left."""
        if self._thread:
            self._thread.join()

    def heads(self) -> dict[str, int]:
        """The newest number of each chain."""
        with self._database.read() as session:
            return audit.heads(session)

    def read_after(self, place: audit.Place) -> list[FeedPage]:
        """A page of what lies beyond a listener's place."""
        with self._database.read() as session:
            return [_news(entry) for entry in audit.since(session, place, ENTRIES_PER_READ)]

    def _run(self) -> None:
        while self._wanted():
            failures = self.guard.run(Loop.EVENT_STREAM, self._read_on)
            time.sleep(_AFTER_A_FAULT if failures else POLL)

    def _read_on(self) -> None:
        self._tell(self.read_after(self._place))

    def _wanted(self) -> bool:
        with self._news:
            self._running = self._listeners > 0
            return self._running

    def _tell(self, fresh: list[FeedPage]) -> None:
        if not fresh:
            return
        with self._news:
            self._kept.extend(fresh)
            self._told += len(fresh)
            self._place.update({one.chain: one.seq for one in fresh})
            self._news.notify_all()

    def count(self) -> int:
        """How many listeners there are."""
        with self._news:
            return self._told

    def after(self, number: int, timeout: float) -> list[FeedPage]:
        """News beyond a number, as soon as there is some; nothing when the time is up. Raises Behind."""
        with self._news:
            self._news.wait_for(lambda: self._told > number, timeout)
            fresh = self._told - number
            if fresh > len(self._kept):
                raise Behind
            return [self._kept[index] for index in range(len(self._kept) - fresh, len(self._kept))]


class Listener:
    """One reader of the tail, with its own place in what was told."""

    def __init__(self, tail: EventFeed) -> None:
        self._tail = tail
        self._number = tail.count()

    def next(self, timeout: float) -> list[FeedPage]:
        """What is new, as soon as there is something; nothing when the time is up. Raises Behind."""
        fresh = self._tail.after(self._number, timeout)
        self._number += len(fresh)
        return fresh

    def catch_up(self) -> None:
        """From here on again; what was missed is read from the database."""
        self._number = self._tail.count()


def _news(entry: Entry) -> FeedPage:
    data = json.dumps(entry.as_json(), separators=(",", ":"))
    return FeedPage(entry.chain, entry.seq, entry.event, entry.window_id, data)
