"""Keep a long-lived loop alive: every exception of a round is logged once and counted.

A round may be for one item, such as one stack or one container, so that one that fails
keeps no other from its turn. The log gets the traceback of a failure the first time, then
again when the failure is another one, and a line when it is over. Everything in between is
only counted; a worker writes its counts to the database, from where `/metrics` has them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from app.domain.enums import Loop

log = logging.getLogger(__name__)

MOST_ITEMS = 1000
"""Failing items that are remembered at most; the one whose last failure is the longest ago is dropped."""

_Key = tuple[Loop, str]
_Kind = tuple[type[BaseException], str]


@dataclass(slots=True)
class _Failing:
    kind: _Kind
    since: float
    rounds: int = 0


class LoopGuard:
    """Shared by all loops of a process. `is_outage` tells whether an exception means: the database is away.

    An outage is logged without a traceback and not counted, since nothing is wrong with the loop.
    """

    def __init__(self, is_outage: Callable[[Exception], bool]) -> None:
        self._is_outage = is_outage
        self._lock = threading.Lock()
        self.failing: OrderedDict[_Key, _Failing] = OrderedDict()
        self._counts: Counter[Loop] = Counter()

    def run(self, loop: Loop, work: Callable[[], object], item: str = "") -> int:
        """Run one round of a loop; return how many in a row have failed now, 0 where this one has not."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is logged and counted
            return self.record_failure(loop, error, item)
        self.record_success(loop, item)
        return 0

    def isolate(self, loop: Loop, item: str, work: Callable[[], object]) -> bool:
        """Run one part of a round; return False if it failed. The other parts still run.

        An outage is raised, since the other parts would fail as well.
        """
        try:
            work()
        except Exception as error:
            if self._is_outage(error):
                raise
            self.record_failure(loop, error, item)
            return False
        self.record_success(loop, item)
        return True

    def record_failure(self, loop: Loop, error: Exception, item: str = "") -> int:
        """A round has raised this; return how many in a row have failed now."""
        away = self._is_outage(error)
        kind = (type(error), "" if away else _place(error.__traceback__))
        with self._lock:
            one = self.failing.setdefault((loop, item), _Failing(kind, time.monotonic()))
            self.failing.move_to_end((loop, item))
            new = one.rounds == 0 or one.kind != kind
            one.kind, one.rounds = kind, one.rounds + 1
            if not away:
                self._counts[loop] += 1
            if len(self.failing) > MOST_ITEMS:
                self.failing.popitem(last=False)
        if new and away:
            log.warning("%s: the database is away: %s", _loop_name(loop, item), _line(error))
        elif new:
            log.error("%s failed; it is tried again", _loop_name(loop, item), exc_info=error)
        return one.rounds

    def record_success(self, loop: Loop, item: str = "") -> None:
        """Record that a round succeeded; log it where the rounds before it had failed."""
        with self._lock:
            over = self.failing.pop((loop, item), None)
        if over:
            seconds = time.monotonic() - over.since
            log.warning(
                "%s works again, after %d failures in %.0f s", _loop_name(loop, item), over.rounds, seconds
            )

    def count(self, loop: Loop) -> None:
        """One failure that its loop has logged and dealt with itself."""
        with self._lock:
            self._counts[loop] += 1

    def take_counts(self) -> dict[Loop, int]:
        """Failures of each loop since they were last taken."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
            return counts

    def give_back(self, counts: dict[Loop, int]) -> None:
        """These could not be written down; they are taken again later."""
        with self._lock:
            self._counts.update(counts)


def _place(trace: TracebackType | None) -> str:
    """Return where an exception was raised. The same fault has the same line, even with another message."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


def _loop_name(loop: Loop, item: str) -> str:
    return f"loop {loop}, {item}" if item else f"loop {loop}"


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
