"""Who was out of order, and when. Times are this host's, in seconds since the epoch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Outage:
    target: str
    kind: str
    began: float
    ended: float | None = None

    def meets(self, since: float, until: float) -> bool:
        return self.began <= until and (self.ended is None or self.ended >= since)


class Outages:
    """Shared by all threads of a run."""

    def __init__(self) -> None:
        self.all: list[Outage] = []
        self._lock = threading.Lock()

    def begin(self, target: str, kind: str) -> Outage:
        with self._lock:
            outage = Outage(target, kind, time.time())
            self.all.append(outage)
            return outage

    def end(self, *some: Outage) -> None:
        for one in some:
            one.ended = one.ended or time.time()

    def open(self, target: str) -> list[Outage]:
        with self._lock:
            return [one for one in self.all if one.target == target and one.ended is None]

    def meeting(self, since: float, until: float, targets: Iterable[str] | None = None) -> list[Outage]:
        """Those that were there at any time between two moments, perhaps only of some targets."""
        wanted = None if targets is None else set(targets)
        with self._lock:
            some = list(self.all)
        return [one for one in some if one.meets(since, until) and (wanted is None or one.target in wanted)]
