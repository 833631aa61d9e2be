"""Has anything been committed since I last looked? Answered in microseconds, so that what was read may be kept.

SQLite counts the commits of other connections; PostgreSQL's snapshot names every
transaction that is not visible yet. Either says the same twice only while nothing
has changed in between.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import text

from app.store.database import Database

_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")


class Changes:
    """One per process; share it between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._own: Any = None

    def version(self) -> str:
        """Another text whenever anything at all has been committed. Raises what the store raises."""
        if not self._database.sqlite:
            with self._database.engine.connect() as connection:
                return str(connection.execute(_SNAPSHOT).scalar_one())
        with self._lock:
            # A connection that never writes: SQLite counts only what others commit.
            self._own = self._own or self._connected()
            return str(self._own.execute("PRAGMA data_version").fetchone()[0])

    def _connected(self) -> Any:
        connection = self._database.engine.raw_connection()
        connection.detach()
        return connection.driver_connection

    def close(self) -> None:
        with self._lock:
            if self._own is not None:
                self._own.close()
                self._own = None
