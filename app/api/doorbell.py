"""What the waiting pages keep between requests, so that passing through costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.api.memory import Memory
from app.store.changes import Changes
from app.waking import Bell

_QUIET = 30.0
"""Seconds for which the same refusal of the same token is not put on record again."""
_MOST = 1000


class Doorbell:
    def __init__(self, changes: Changes, clock: Callable[[], float] = time.monotonic) -> None:
        self.memory: Memory[Bell] = Memory(changes)
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}

    def news(self, token: str, refusal: str) -> bool:
        """Is this worth an entry? A page that is refused is asked for again every few seconds."""
        now, key = self._clock(), (token, refusal)
        if self._said.get(key, 0.0) > now:
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[key] = now + _QUIET
        return True
