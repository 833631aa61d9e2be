"""Refusals on the trail: the first of a kind in full, those that repeat it as a count per minute.

A client that is refused over and over would fill the trail otherwise. Every refusal is in one entry or
in the count of one. What is counted is written when its minute is over, and when this process ends.
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
from app.store.database import Database
from app.usecases.windows import refusals

log = logging.getLogger(__name__)

COUNT_SECONDS = 60.0
"""Seconds that one count is about."""
OF_ONE_ACTOR = 20
"""Different refusals of one token in a period that are on record in full; the rest are counted together."""
MOST_KINDS = 1000
"""Kinds of refusals that are remembered at most."""
_SEVERAL = "several refusals, each with another reason"

RefusalKind = tuple[str, str, str | None, str]


@dataclass(slots=True)
class _Repeated:
    ends: float
    since: datetime
    until: datetime
    times: int = 0


@dataclass
class RefusalAudit:
    """One for a front; its threads share it."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: dict[RefusalKind, _Repeated] = field(default_factory=dict)
    _timer: threading.Timer | None = None

    def record(self, refusal: Refusal, *, actor: str, what: str, stack: str | None = None) -> None:
        """Put a refusal on record: in full where it is the first of its kind, else in a count."""
        self.turn()
        if self._count_repeat(actor, what, stack, str(refusal)):
            return
        with self.database.write() as session:
            now = self.database.now()
            refusals.record_refusal(session, refusal, actor=actor, now=now, stack=stack, what=what)

    def turn(self) -> None:
        """Write the counts whose period is over."""
        now = self.clock()
        with self._lock:
            over = {key: one for key, one in self._kept.items() if one.ends <= now}
            for key in over:
                del self._kept[key]
        self._write(over)

    def flush(self) -> None:
        """Write every count now."""
        with self._lock:
            kept, self._kept = self._kept, {}
        self._write(kept)

    def _count_repeat(self, actor: str, what: str, stack: str | None, why: str) -> bool:
        """Is this one of a kind that is on record already? It is counted then."""
        at, ends = self.database.now(), self.clock() + COUNT_SECONDS
        with self._lock:
            key = self._key(actor, what, stack, why)
            one = self._kept.get(key)
            if one is None:
                self._kept[key] = _Repeated(ends, at, at)
                return False
            if one.times == 0:
                one.since = at
            one.times, one.until = one.times + 1, at
            self._wake_at_the_end()
            return True

    def _key(self, actor: str, what: str, stack: str | None, why: str) -> RefusalKind:
        key = (actor, what, stack, why)
        of_actor = Counter(one[0] for one in self._kept)
        if key in self._kept or (of_actor[actor] < OF_ONE_ACTOR and len(self._kept) < MOST_KINDS):
            return key
        return (actor if actor in of_actor else "", what, stack, _SEVERAL)

    def _wake_at_the_end(self) -> None:
        if self._timer is None:
            atexit.register(self.flush)
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(COUNT_SECONDS + 1, self.turn)
            self._timer.daemon = True
            self._timer.start()

    def _write(self, repeated: dict[RefusalKind, _Repeated]) -> None:
        counted = {key: one for key, one in repeated.items() if one.times}
        if not counted:
            return
        try:
            with self.database.write() as session:
                for (actor, what, stack, why), one in counted.items():
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
        except Exception as error:  # noqa: BLE001 - the counts are kept, and written when that is possible
            log.warning("counts of refusals are not on record yet: %s", type(error).__name__)
            self._put_back(counted)
            return
        self._go_on(counted)

    def _go_on(self, counted: dict[RefusalKind, _Repeated]) -> None:
        """What was repeated is counted further, and not told in full again."""
        ends = self.clock() + COUNT_SECONDS
        with self._lock:
            for key, one in counted.items():
                self._kept.setdefault(key, _Repeated(ends, one.until, one.until))

    def _put_back(self, counted: dict[RefusalKind, _Repeated]) -> None:
        with self._lock:
            for key, one in counted.items():
                newer = self._kept.get(key)
                one.times += newer.times if newer else 0
                one.until = newer.until if newer else one.until
                one.ends = self.clock() + COUNT_SECONDS
                self._kept[key] = one
