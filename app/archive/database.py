"""The database that archive, backup and restore open directly, and the operator's name for its audit."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from app.store import integrity, schema
from app.store.database import Database
from power_windows.errors import Failed, Unreachable


@contextmanager
def open_database(url: str) -> Iterator[Database]:
    """Open an existing database and check its integrity and schema; close it afterwards.

    Raises Unreachable when there is no database or it does not answer, Failed when it cannot be used.
    """
    database = Database(url)
    if database.sqlite and not Path(database.url.database or "").is_file():
        raise Unreachable(
            f"there is no database at {database.url.database}; set POWER_DATA_DIR or POWER_DATABASE_URL"
        )
    try:
        integrity.require(url)
        with database.engine.connect():
            pass
        schema.require(database)
        yield database
    except (schema.Mismatch, integrity.Unsound) as error:
        raise Failed(str(error)) from error
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        raise Unreachable(f"the database does not answer: {reason}; see POWER_DATABASE_URL") from error
    finally:
        database.close()


def operator_name() -> str:
    """The login name of this process's user; `uid NUMBER` where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
