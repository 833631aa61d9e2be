"""Back up a SQLite database through SQLite's own backup, also while the service runs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from app.archive.database import open_database
from power_windows.errors import Failed


def back_up(url: str, file: Path) -> None:
    """Copy the SQLite database at `url` to `file`, which must not exist, and check the copy.

    Raises Failed, or Unreachable when there is no database.
    """
    with open_database(url) as database:
        if file.exists():
            raise Failed(f"{file} is there already; name another")
        draft = file.with_name(f".draft-{file.name}")
        try:
            copy_database(Path(database.url.database or ""), draft)
            require_intact(draft)
            os.link(draft, file)
        except OSError as error:
            raise Failed(f"{file}: cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise Failed(f"{file}: cannot be written: {error}") from error
        finally:
            draft.unlink(missing_ok=True)


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database to one private file, replacing `target`. Raises OSError or sqlite3.Error."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=60)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
        # Without WAL the copy is one file.
        other.execute("PRAGMA journal_mode=DELETE")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def require_intact(place: Path) -> None:
    """Raise Failed unless the file is an undamaged SQLite database."""
    try:
        with closing(sqlite3.connect(place)) as one:
            result = one.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Failed(f"{place}: {error}") from error
    if result != "ok":
        raise Failed(f"{place}: is damaged: {result}")
