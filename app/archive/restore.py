"""Replace a SQLite database by a backup, and mark a restored database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import migrations
from app.archive.backup import copy_database, require_intact
from app.archive.database import operator_name
from app.settings import service_urls
from app.store import audit, schema
from app.store.database import Database
from app.usecases import restore
from power_windows.errors import Failed, Unreachable


def replace_database(file: Path, place: Path) -> Path | None:
    """Replace the SQLite database at `place` by the backup `file`, upgraded, verified and marked as restored.

    Return the path under which the previous database is kept; None where there was none. The service must be
    stopped. Raises Unreachable when there is no such file, Failed when it cannot be used.
    """
    if not file.is_file():
        raise Unreachable(f"there is no file {file}")
    require_intact(file)
    draft = place.with_name(f".draft-{place.name}")
    try:
        copy_database(file, draft)
        _upgrade_and_verify(service_urls.of_file(draft), file)
        previous = _rename_previous(place) if place.exists() else None
        draft.replace(place)
    except OSError as error:
        raise Failed(f"{place}: cannot be written: {error.strerror}") from error
    finally:
        for end in ("", "-wal", "-shm"):
            draft.with_name(f"{draft.name}{end}").unlink(missing_ok=True)
    return previous


def _upgrade_and_verify(url: str, file: Path) -> None:
    """Upgrade the schema, verify every audit chain and mark the database as restored. Raises Failed."""
    revision = migrations.current(url)
    if revision is None:
        raise Failed(f"{file}: is no database of Power Windows")
    try:
        if revision not in schema.KNOWN:
            schema.check(revision)
    except schema.Mismatch as mismatch:
        raise Failed(f"{file}: {mismatch}") from mismatch
    migrations.upgrade(url)
    database = Database(url)
    try:
        with database.read() as session:
            bad = [proof for proof in audit.verify(session) if not proof.ok]
        if bad:
            raise Failed(
                f"{file}: the trail of {bad[0].chain} is broken: entry {bad[0].first_bad} is {bad[0].reason}"
            )
        mark_restored(database, file.name)
    finally:
        database.close()
    # Without WAL the database is one file, which can be renamed.
    with closing(sqlite3.connect(database.url.database or "")) as one:
        one.execute("PRAGMA journal_mode=DELETE")


def mark_restored(database: Database, source: str) -> None:
    """Mark the database as restored and record it in the audit trail; `source` names the backup there."""
    with database.write() as session:
        restore.mark_restored(session, actor=operator_name(), now=database.now(), file=source)


def _rename_previous(place: Path) -> Path:
    """Rename the database and its WAL files; return the database's new path."""
    renamed = place.with_name(f"{place.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for end in ("-wal", "-shm", ""):
        part = place.with_name(f"{place.name}{end}")
        if part.exists():
            part.rename(renamed.with_name(f"{renamed.name}{end}"))
    return renamed
