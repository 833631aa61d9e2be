"""Cache values that were read from the database until any transaction commits.

A repeated read then costs one query for the database's version, rather than three queries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.domain.enums import State
from app.domain.stack_id import qualify
from app.store.changes import ChangeCounter
from app.web import row_views
from app.web.viewing import current_viewer

_MAX_AGE = 5.0
"""Seconds that a value is cached at most."""
_MAX_VALUES = 1000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CachedRead:
    """A window's JSON, and the state and deadline that its time left is computed from."""

    view: dict[str, Any]
    state: State
    deadline: datetime

    def at(self, now: datetime) -> dict[str, Any]:
        """The JSON with the time left at `now`."""
        return {**self.view, "ttl_remaining_sec": row_views.remaining(self.state, self.deadline, now)}


class ResponseCache(Generic[Value]):
    """Values that stay valid until a transaction commits."""

    def __init__(self, changes: ChangeCounter) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._version = ""
        self._values: dict[str, Value] = {}

    def of(self, name: str, read: Callable[[], Value]) -> Value:
        """The value of this name for this viewer; `read` is called if a transaction has committed since."""
        # The version is read first: the value may be newer than its version, never older.
        # A node that stops sending heartbeats changes no row, so values also expire by age.
        version = f"{self._changes.version()} {time.monotonic() // _MAX_AGE}"
        name = qualify(current_viewer().namespace, name)
        with self._lock:
            cached = self._values.get(name) if version == self._version else None
        return self._store(version, name, read()) if cached is None else cached

    def _store(self, version: str, name: str, value: Value) -> Value:
        if value is None:
            return value
        with self._lock:
            if version != self._version or len(self._values) >= _MAX_VALUES:
                self._version, self._values = version, {}
            self._values[name] = value
        return value
