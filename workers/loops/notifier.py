"""Sends notices from the outbox to their sinks, in threads of its own: nothing else waits for a sink.

audit trail, clock ---> outbox ---> claimed ---> sent ---> recorded, or retried later
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

from app.domain import untrusted_text
from app.domain.enums import Loop
from app.domain.stack_id import StackId, namespace_of
from app.domain.viewer import Viewer
from app.host.periodic_thread import PeriodicThread
from app.settings.power_toml import NoticeToml
from app.store import notifications as rows
from app.store.tables import Notice
from app.usecases import notifications
from app.usecases.notifications import Sink
from workers.loops.stack_loader import StackLoader
from workers.notifications import link_key, senders
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

OUTBOX_INTERVAL = 1.0
"""Seconds between two rounds over the outbox."""
PARALLEL_SENDS, PER_SINK = 4, 2
"""Notices that are sent at the same time, of all sinks and of one: a slow sink leaves room for the others."""
NOTICE_RETENTION = timedelta(days=30)
"""How long a finished notice is stored."""
_FORGET = 3600.0


class Notifier:
    """The loop that sends the notices of this node's stacks to their sinks."""

    def __init__(
        self, context: WorkerContext, loading: StackLoader, public_url: str | None, data_dir: Path
    ) -> None:
        self._context, self.loading, self._public_url = context, loading, public_url
        self._link_key = link_key.read_or_create(data_dir) if public_url else b""
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._thread = PeriodicThread("notices", self._run_round, lambda: OUTBOX_INTERVAL)
        self._forget_at = time.monotonic()

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Start no further delivery, and wait for no sink.

        A delivery under way ends with this process. It is repeated later under the same id.
        """
        self._thread.stop(OUTBOX_INTERVAL)

    @property
    def busy(self) -> int:
        """Notices that are being sent now."""
        with self._lock:
            return self._under_way.total()

    def _run_round(self) -> None:
        if self.loading.notices and not self._context.snapshot.away:
            self._context.guard.run(Loop.NOTICES, self.process_outbox)

    def process_outbox(self) -> None:
        """Write new notices to the outbox, and send those that are due."""
        database = self._context.database
        for sink in self.sinks():
            self._context.guard.isolate(Loop.NOTICES, f"sink {sink.name}", partial(self._note, sink))
        self._hand_over()
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET
            with database.write() as session:
                rows.forget(session, database.now() - NOTICE_RETENTION)

    def _note(self, sink: Sink) -> None:
        database = self._context.database
        with database.read() as session:
            has_new = notifications.has_new(session, sink, database.now())
        if has_new:
            with database.write() as session:
                notifications.collect_notices(session, sink, database.now())

    def sinks(self) -> list[Sink]:
        """Return the sinks of power.toml, each with the stacks of this node."""
        mine = sorted(self._context.stacks)
        return [
            Sink(
                self._context.node,
                name,
                toml,
                tuple(one for one in mine if _is_for(name, toml, one)),
                self._public_url,
                self._link_key,
            )
            for name, toml in self.loading.notices.items()
        ]

    def _hand_over(self) -> None:
        database, node = self._context.database, self._context.node
        with database.read() as session:
            if not rows.anything_due(session, node, database.now()):
                return
        with self._lock:
            under_way = Counter(self._under_way)
        free = PARALLEL_SENDS - under_way.total()
        if free <= 0:
            return
        with database.write() as session:
            due = notifications.claim_due(
                session, node, database.now(), free, under_way=under_way, per_sink=PER_SINK
            )
        for one in due:
            with self._lock:
                self._under_way[one.sink] += 1
            # Not in a pool: the threads of a pool are joined when the process ends.
            threading.Thread(target=self._deliver, args=(one,), name="notice", daemon=True).start()

    def _deliver(self, notice: Notice) -> None:
        try:
            self._context.guard.run(
                Loop.NOTICES, partial(self._try_once, notice), f"sending by {notice.sink}"
            )
        finally:
            with self._lock:
                self._under_way[notice.sink] -= 1

    def _try_once(self, notice: Notice) -> None:
        began = time.monotonic()
        ok, answer = self._attempt(notice)
        elapsed = round((time.monotonic() - began) * 1000)
        if self._thread.stopping:
            return
        with self._context.database.write() as session:
            # Where this is not taken in, the notice was sent and is sent again.
            now = self._context.database.now()
            notifications.record_attempt(session, notice.id, now, elapsed, ok=ok, answer=answer)

    def _attempt(self, notice: Notice) -> tuple[bool, str]:
        toml = self.loading.notices.get(notice.sink)
        if toml is None:
            return False, f"power.toml has no notices.{notice.sink} any more"
        body = notifications.outgoing(notice, self._public_url, self._link_key)
        try:
            return True, senders.send(toml, notice.id, body)
        except senders.DeliveryFailed as error:
            log.warning("notice %s to %s: %s", notice.id, notice.sink, untrusted_text.harmless(error))
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - the sink has not got the notice, which is tried again
            self._context.guard.record_failure(Loop.NOTICES, error, f"sink {notice.sink}")
            return False, f"{type(error).__name__}: {error}"


def _is_for(sink: str, toml: NoticeToml, stack: StackId) -> bool:
    """Does a sink get the notices of this stack? A sink of a namespace gets those of its own stacks only."""
    viewer = Viewer(namespace_of(sink))
    return viewer.sees(stack) and (not toml.stacks or viewer.short(stack) in toml.stacks)
