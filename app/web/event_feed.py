"""Read new audit entries once per process and pass them to all listeners.

One thread reads the database while at least one client listens; it ends when no client listens.
A waiting listener costs one blocked thread, and no database session. A listener that is too far behind
for the buffer reads the entries that it missed from the database, by its own positions.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.enums import Loop
from app.domain.viewer import OPERATOR, Viewer
from app.host.loop_guard import LoopGuard
from app.host.periodic_thread import PeriodicThread
from app.store import audit
from app.store.database import Database, is_outage
from app.store.tables import Entry
from app.web.viewing import ViewerDatabase, as_viewer

POLL = 0.025
"""Seconds between two reads of the audit trail."""
BUFFERED_ENTRIES = 5000
"""Entries in memory for listeners that are a little behind."""
ENTRIES_PER_READ = 500
FAULT_PAUSE = 1.0
"""Seconds before the next read after one that failed."""
_STOP_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One audit entry; `data` is its JSON, written once for all listeners."""

    chain: str
    seq: int
    event: str
    window: str | None
    data: str


class Behind(Exception):
    """The listener has missed entries that the buffer no longer has; it reads them from the database."""


class EventFeed:
    """Reads new audit entries once for all listeners."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._buffer: deque[FeedEntry] = deque(maxlen=BUFFERED_ENTRIES)
        self._published = 0
        self._positions: dict[str, int] = {}
        self._listeners = 0
        self._failures = 0
        self._stopping = threading.Event()
        self._reader: PeriodicThread | None = None
        self.guard = LoopGuard(is_outage)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """A listener that gets every entry committed from now on."""
        self._add_listener()
        try:
            yield Listener(self)
        finally:
            with self._changed:
                self._listeners -= 1

    def _add_listener(self) -> None:
        with self._changed:
            if self._reader is None or self._reader.stopping:
                # Read here rather than in the thread, so that no entry is missed before the thread runs.
                self._positions = self.heads()
                self._start_reader()
            self._listeners += 1

    def _start_reader(self) -> None:
        self._failures, self._stopping = 0, threading.Event()
        self._reader = PeriodicThread(
            "event-feed", self._run_round, self._pause, stopping=self._stopping, pause_first=False
        )
        self._reader.start()

    def stop(self) -> None:
        """Stop the thread and wait for the read that it is making; call it when no client listens."""
        if self._reader:
            self._reader.stop(_STOP_TIMEOUT)

    def heads(self) -> dict[str, int]:
        """The newest sequence number of each chain."""
        with self._database.read() as session:
            return audit.heads(session)

    def read_after(self, positions: audit.Place, viewer: Viewer = OPERATOR) -> list[FeedEntry]:
        """At most ENTRIES_PER_READ entries beyond these positions that the viewer sees."""
        with as_viewer(viewer), ViewerDatabase(self._database).read() as session:
            return [_feed_entry(entry) for entry in audit.since(session, positions, ENTRIES_PER_READ)]

    def _run_round(self) -> None:
        with self._changed:
            # Under the lock: a client that comes now either is counted, or starts the next thread.
            if self._listeners == 0:
                self._stopping.set()
                return
        self._failures = self.guard.run(Loop.EVENT_STREAM, self._read_new)

    def _pause(self) -> float:
        return FAULT_PAUSE if self._failures else POLL

    def _read_new(self) -> None:
        self._publish(self.read_after(self._positions))

    def _publish(self, entries: list[FeedEntry]) -> None:
        if not entries:
            return
        with self._changed:
            self._buffer.extend(entries)
            self._published += len(entries)
            self._positions.update({entry.chain: entry.seq for entry in entries})
            self._changed.notify_all()

    def count(self) -> int:
        """The number of entries published since this process began."""
        with self._changed:
            return self._published

    def after(self, number: int, timeout: float) -> list[FeedEntry]:
        """The entries published after the first `number`, as soon as there is one.

        Empty after `timeout` seconds. Raises Behind where the buffer does not have all of them.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._published > number, timeout)
            missing = self._published - number
            if missing > len(self._buffer):
                raise Behind
            return [self._buffer[index] for index in range(len(self._buffer) - missing, len(self._buffer))]


class Listener:
    """One reader of the feed, with its own number of entries read."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._read = feed.count()

    def next(self, timeout: float) -> list[FeedEntry]:
        """New entries, as soon as there is one; empty after `timeout` seconds. Raises Behind."""
        entries = self._feed.after(self._read, timeout)
        self._read += len(entries)
        return entries

    def catch_up(self) -> None:
        """Continue with the entries from now on; the caller reads those before from the database."""
        self._read = self._feed.count()


def _feed_entry(entry: Entry) -> FeedEntry:
    data = json.dumps(entry.as_json(), separators=(",", ":"))
    return FeedEntry(entry.chain, entry.seq, entry.event, entry.window_id, data)
