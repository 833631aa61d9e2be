"""Does a database have the schema that this program was written for?

Every process asks once, when it starts. The steps themselves are in `migrations`,
which nothing that runs for long has to load.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.store.database import Database, DatabaseUnusable

KNOWN = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0007",
    "0008",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0022",
    "0023",
    "0024",
    "0025",
    "0026",
    "0027",
    "0028",
    "0029",
)
"""Every revision from the first to the newest, which is the one that this program works with."""
NEWEST_SCHEMA = KNOWN[-1]


class Mismatch(Exception):
    """A database is not at that revision; says which command mends it."""


def require(database: Database) -> None:
    """Raises Mismatch; a database that is away is not asked, since it may well be right when it is back.

    One that is found to be damaged is away from then on.
    """
    try:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        revision = _revision(database)
    except (OperationalError, InterfaceError):
        return
    check(revision)


def await_match(database: Database, mismatch: Mismatch) -> None:
    """Leave the database alone until it has the schema that this program was written for."""
    database.refuse(str(mismatch), lambda: check(_revision(database)))


def _revision(database: Database) -> str | None:
    try:
        with database.engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DatabaseUnusable:
        raise
    except DBAPIError:
        return None


def check(revision: str | None) -> None:
    """Raises Mismatch unless this is the revision that the program works with; None is an empty database."""
    if revision == NEWEST_SCHEMA:
        return
    if revision is not None and revision not in KNOWN:
        raise Mismatch(
            f"the database is at schema {revision}, and this program knows none newer than {NEWEST_SCHEMA}; "
            "run the newer program, or take the schema back with its `python -m migrations downgrade`"
        )
    at = f"at schema {revision}" if revision else "empty"
    raise Mismatch(
        f"the database is {at}, and this program needs schema {NEWEST_SCHEMA}; "
        "run `python -m migrations upgrade`"
    )
