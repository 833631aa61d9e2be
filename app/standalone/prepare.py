"""What must be done once before the children start: the schema, the admin token, the broker's program.

A process of its own (`python -m app.standalone.prepare`), so that what this loads does
not stay in the supervisor's memory for as long as the standalone runs. It answers with
one JSON object on its output, or with a reason on its errors.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app import settings
from app.host import node_snapshot, private_files
from app.standalone import broker
from app.store import integrity, schema, tokens
from app.store.database import Database
from app.store.tables import stamp
from app.usecases import timekeeping
from migrations import current, upgrade

TOKEN_FILE = "token"


def main() -> int:
    """Prepare the database, token and broker; returns the exit code."""
    environment = settings.load_or_exit(os.environ)
    try:
        integrity.require(environment.database_url)
        before = current(environment.database_url)
        if before is not None and before not in schema.KNOWN:
            schema.check(before)
        upgrade(environment.database_url)
        new, now = _begin(environment)
    except integrity.Unsound as error:
        return _unusable(
            environment,
            str(error),
            list(integrity.mends(error.file, environment.data_dir)) if error.file else [],
        )
    except schema.Mismatch as error:
        return _unusable(environment, str(error), [])
    except SQLAlchemyError as error:
        return _away(environment, _first_line(error))
    sys.stdout.write(json.dumps({"new_token": new, "server": _server(), "now": stamp(now)}))
    return 0


def _unusable(environment: settings.Settings, why: str, mends: list[str]) -> int:
    """The start ends here, unless a worker has yet to turn off what its snapshot knows."""
    if node_snapshot.services_on(environment.data_dir, environment.node):
        answer = {"new_token": False, "server": _server(), "fault": why, "mends": mends}
        sys.stdout.write(json.dumps(answer))
        return 0
    either = ["mend it with one of these:", *(f"  {mend}" for mend in mends)] if mends else []
    sys.stderr.write("\n".join([f"the database cannot be used: {why}", *either]) + "\n")
    return 1


def _away(environment: settings.Settings, why: str) -> int:
    """Report a database that is away; go on if the snapshot has a service to stop."""
    if node_snapshot.services_on(environment.data_dir, environment.node):
        sys.stdout.write(json.dumps({"new_token": False, "server": _server(), "outage": why}))
        return 0
    sys.stderr.write(f"the database cannot be used: {why}\n")
    return 1


def _begin(environment: settings.Settings) -> tuple[bool, datetime]:
    """Whether a token had to be made, and the time by the shared clock, which is set if it may be."""
    new = ensure_token(environment)
    with closing(Database(environment.database_url)) as database:
        timekeeping.reset_clock(database)
    with closing(Database(environment.database_url)) as database:
        return new, database.now()


def ensure_token(environment: settings.Settings) -> bool:
    """Keep the admin token in a file that the CLI finds; return whether a new one had to be made."""
    file = environment.data_dir / TOKEN_FILE
    database = Database(environment.database_url)
    try:
        with database.write() as session:
            if file.exists() and tokens.bearer(session, file.read_text().strip()):
                return False
            # Written before the commit: a file that the database does not know is replaced at the next start.
            private_files.replace_if_changed(
                file, tokens.create(session, tokens.ADMIN, database.now()) + "\n"
            )
            return True
    finally:
        database.close()


def _server() -> str | None:
    try:
        return str(broker.server_binary())
    except broker.NoServer:
        return None


def _first_line(error: SQLAlchemyError) -> str:
    return str(error).partition("\n")[0]


def token_file(data_dir: Path) -> Path:
    """Where the admin token is written."""
    return data_dir / TOKEN_FILE


if __name__ == "__main__":
    # The database is ours alone, wherever the data directory is.
    os.umask(0o077)
    sys.exit(main())
