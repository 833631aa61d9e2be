"""Record refusals in the audit trail: the first of a kind in full, its repeats as a count per minute.

So a client that repeats a refused request does not fill the trail. Every refusal is in one entry, or in the
count of one. Counts are written after their minute, and when the process ends.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.errors import Refusal
from app.domain.stack_id import StackId, namespace_of
from app.store.database import Database
from app.usecases.windows import refusals

log = logging.getLogger(__name__)

COUNT_SECONDS = 60.0
"""Seconds that one count covers."""
OF_ONE_ACTOR = 20
"""Different refusals of one token in a period that are recorded in full; the rest share one count."""
MOST_KINDS = 1000
"""Kinds of refusals of one namespace in memory at most."""
_SEVERAL = "several refusals, each with another reason"

RefusalKind = tuple[str, str, StackId | None, str]


@dataclass(slots=True)
class _Repeated:
    ends: float
    since: datetime
    until: datetime
    times: int = 0


@dataclass
class RefusalAudit:
    """One for each web process; its threads share it."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[RefusalKind, _Repeated] = field(default_factory=dict)
    _timer: threading.Timer | None = None

    def record(self, refusal: Refusal, *, actor: str, what: str, stack: StackId | None = None) -> None:
        """Record a refusal in full where it is the first of its kind, else count it."""
        self.write_finished()
        if self._count_repeat(actor, what, stack, str(refusal)):
            return
        with self.database.write() as session:
            now = self.database.now()
            refusals.record_refusal(session, refusal, actor=actor, now=now, stack=stack, what=what)

    def write_finished(self) -> None:
        """Write the counts whose period has ended."""
        now = self.clock()
        with self._lock:
            finished = {key: one for key, one in self._counts.items() if one.ends <= now}
            for key in finished:
                del self._counts[key]
        self._write(finished)

    def flush(self) -> None:
        """Write every count now."""
        with self._lock:
            counts, self._counts = self._counts, {}
        self._write(counts)

    def _count_repeat(self, actor: str, what: str, stack: StackId | None, why: str) -> bool:
        """Count a repeat of a recorded refusal; False for the first of its kind."""
        at, ends = self.database.now(), self.clock() + COUNT_SECONDS
        with self._lock:
            key = self._key(actor, what, stack, why)
            one = self._counts.get(key)
            if one is None:
                self._counts[key] = _Repeated(ends, at, at)
                return False
            if one.times == 0:
                one.since = at
            one.times, one.until = one.times + 1, at
            self._wake_at_the_end()
            return True

    def _key(self, actor: str, what: str, stack: StackId | None, why: str) -> RefusalKind:
        key = (actor, what, stack, why)
        of_actor = Counter(one[0] for one in self._counts)
        # By namespace, so that an entry does not show how often others are refused.
        namespace = namespace_of(actor)
        kinds = sum(namespace_of(one[0]) == namespace for one in self._counts)
        if key in self._counts or (of_actor[actor] < OF_ONE_ACTOR and kinds < MOST_KINDS):
            return key
        return (actor if actor in of_actor else "", what, stack, _SEVERAL)

    def _wake_at_the_end(self) -> None:
        if self._timer is None:
            atexit.register(self.flush)
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(COUNT_SECONDS + 1, self.write_finished)
            self._timer.daemon = True
            self._timer.start()

    def _write(self, counts: dict[RefusalKind, _Repeated]) -> None:
        repeats = {key: one for key, one in counts.items() if one.times}
        if not repeats:
            return
        try:
            with self.database.write() as session:
                for (actor, what, stack, why), one in repeats.items():
                    refusals.record_repeated_refusals(
                        session,
                        actor,
                        self.database.now(),
                        stack=stack,
                        what=what,
                        why=why,
                        times=one.times,
                        since=one.since,
                        until=one.until,
                    )
        except Exception as error:  # noqa: BLE001 - the counts stay in memory and are written later
            log.warning("counts of refusals are not recorded yet: %s", type(error).__name__)
            self._put_back(repeats)
            return
        self._keep_counting(repeats)

    def _keep_counting(self, repeats: dict[RefusalKind, _Repeated]) -> None:
        """Begin the next period of these kinds, whose repeats are counted again."""
        ends = self.clock() + COUNT_SECONDS
        with self._lock:
            for key, one in repeats.items():
                self._counts.setdefault(key, _Repeated(ends, one.until, one.until))

    def _put_back(self, repeats: dict[RefusalKind, _Repeated]) -> None:
        with self._lock:
            for key, one in repeats.items():
                newer = self._counts.get(key)
                one.times += newer.times if newer else 0
                one.until = newer.until if newer else one.until
                one.ends = self.clock() + COUNT_SECONDS
                self._counts[key] = one
