"""What was read, kept for as long as nothing at all has been committed.

Reading the same thing over and over then costs a look at the database's version
rather than three queries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.domain.enums import State
from app.store.changes import ChangeCounter
from app.web import row_views

_KEPT_FOR = 5.0
"""Seconds for which anything is kept at most."""
_MOST = 1000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CachedRead:
    """A window's answer, and what its time left is counted from."""

    view: dict[str, Any]
    state: State
    deadline: datetime

    def at(self, now: datetime) -> dict[str, Any]:
        """The view with the time that is left at `now`."""
        return {**self.view, "ttl_remaining_sec": row_views.remaining(self.state, self.deadline, now)}


class ResponseCache(Generic[Value]):
    """Values that stay valid until a transaction commits."""

    def __init__(self, changes: ChangeCounter) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._version = ""
        self._kept: dict[str, Value] = {}

    def of(self, name: str, read: Callable[[], Value]) -> Value:
        """What has this name as it is now, read anew only where something has changed."""
        # Asked before reading: what is read may be newer than its version, never older.
        # That nobody is heard of any more changes no row, so nothing is kept for long.
        version = f"{self._changes.version()} {time.monotonic() // _KEPT_FOR}"
        with self._lock:
            kept = self._kept.get(name) if version == self._version else None
        return self._keep(version, name, read()) if kept is None else kept

    def _keep(self, version: str, name: str, fresh: Value) -> Value:
        if fresh is None:
            return fresh
        with self._lock:
            if version != self._version or len(self._kept) >= _MOST:
                self._version, self._kept = version, {}
            self._kept[name] = fresh
        return fresh
