"""Has anything been committed since the last call? An answer takes microseconds, so readers may cache.

SQLite counts the commits of other connections. PostgreSQL's snapshot names every transaction that is not
visible yet. Both return the same value twice only if nothing has changed in between.
"""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.store.database import Database

_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")


class ChangeCounter:
    """One per process; share it between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._own: sqlite3.Connection | None = None

    def version(self) -> str:
        """Another text whenever anything at all has been committed. Raises what the store raises."""
        if not self._database.sqlite:
            with self._database.engine.connect() as connection:
                return str(connection.execute(_SNAPSHOT).scalar_one())
        with self._lock:
            # A connection that never writes: SQLite counts only what others commit.
            try:
                if self._own is None:
                    self._own = sqlite3.connect(self._database.url.database or "", check_same_thread=False)
                return str(self._own.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                away = OperationalError("PRAGMA data_version", None, error)
                raise self._database.damage_of(error) or away from error
