"""Ends a worker that cannot go on, so that its supervisor starts it again.

A thread can be lost for good: where memory runs out while a thread is being started, Python's
`Thread.start` waits for ever (seen with a damaged SQLite file), and with it every thread that waits
for a lock it holds. Nothing inside the process can mend that, and nothing due would be turned off.
A new worker begins with the snapshot, the journal and the database as after a crash.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable, Sequence

PROBE_INTERVAL = 1.25
"""Seconds between two probes."""
MOST_MISSES = 8
"""Probes in a row that one part may leave unanswered."""
EXIT_CODE = 70
"""Of a worker that was ended so: an internal error, by the numbers of sysexits.h."""

Probe = Callable[[], bool]
"""Detect within about a second whether one part of the worker still runs."""


class Watchdog:
    """Asks each part by turns. Probes are counted, not seconds, since a stopped process counts none."""

    def __init__(
        self, probes: Sequence[tuple[str, Probe]], end: Callable[[str], object] | None = None
    ) -> None:
        """`probes` are pairs of a part's name and its probe; `end` is called with the name of a lost part."""
        self._probes = probes
        self._end = end or end_process
        self._misses = dict.fromkeys((name for name, _probe in probes), 0)

    def probe_all(self) -> None:
        """Probe every part once."""
        for name, answers in self._probes:
            self._misses[name] = 0 if answers() else self._misses[name] + 1
            if self._misses[name] == MOST_MISSES:
                self._end(name)


def advances(count: Callable[[], int]) -> Probe:
    """A probe of a loop by the number of its rounds: it has grown since the last time."""
    last = -1

    def has_advanced() -> bool:
        nonlocal last
        before, last = last, count()
        return last != before

    return has_advanced


def end_process(part: str) -> None:
    """Say which part is lost and what each thread does, then exit without waiting for any of them.

    It writes without the logging module, whose locks may be held by a thread that is lost.
    """
    seconds = PROBE_INTERVAL * MOST_MISSES
    os.write(2, f"CRITICAL: {part} has not turned for {seconds:g} s; this worker ends\n".encode())
    faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
    os._exit(EXIT_CODE)
