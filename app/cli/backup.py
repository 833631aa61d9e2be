"""`power backup` and `power restore`: a consistent copy of the database, and the way back.

SQLite is copied through its own backup, beside the service while that runs; PostgreSQL
has better tools than we could bring, so they are named, and only the mark is ours.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import URL, make_url

import migrations
from app.cli import audit_archive, environment, output
from app.host import data_directory
from app.settings import service_urls
from app.standalone.process_record import Lock
from app.store import audit, schema
from app.store.database import Database
from app.usecases import restore as restoring
from power_windows.errors import Failed, Refused, Unreachable, WrongUsage


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the database to FILE, also while the service runs.

    The copy is of one moment, checked, and never takes the place of a file that is there. For a
    PostgreSQL database it names the command that does the same. Keep power.toml and the token too.

    \b
    Example:
      power backup power-2030-05-01.db
    """
    address = make_url(environment.load().database_url)
    if address.get_backend_name() != "sqlite":
        dump = f"pg_dump --format=custom --file {file} '{_plain(address)}'"
        raise WrongUsage(f"this database is PostgreSQL, which brings its own way; run\n  {dump}")
    with audit_archive.opened() as database:
        if file.exists():
            raise Failed(f"{file} is there already; name another")
        draft = file.with_name(f".draft-{file.name}")
        try:
            _copy(Path(database.url.database or ""), draft)
            _check(draft)
            os.link(draft, file)
        except OSError as error:
            raise Failed(f"{file}: cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise Failed(f"{file}: cannot be written: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
    output.say(
        f"{file}  {file.stat().st_size} bytes, schema {migrations.current(service_urls.of_file(file))}"
    )


def _plain(url: URL) -> str:
    """The address as PostgreSQL's own tools take it, without the password."""
    return url._replace(drivername="postgresql", password=None).render_as_string()


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=60)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
        # A copy is one file: nothing of it may be left beside it.
        other.execute("PRAGMA journal_mode=DELETE")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _check(place: Path) -> None:
    """Raises Failed for what is no database, or a damaged one."""
    try:
        with closing(sqlite3.connect(place)) as one:
            said = one.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Failed(f"{place}: {error}") from error
    if said != "ok":
        raise Failed(f"{place}: is damaged: {said}")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--mark", is_flag=True, help="The database is restored already (pg_restore): only mark it.")
def restore(file: Path | None, *, mark: bool) -> None:
    """Put the database of FILE in the place of the one that is there, which is kept beside it.

    Stop the service first. The restored database knows nothing of what was opened after the backup,
    so every allowed service that no window of it holds is turned off once the service runs again;
    the trail goes on and says that a restore was made. After PostgreSQL's own pg_restore run
    `power restore --mark`, which does the same.

    \b
    Examples:
      power restore power-2030-05-01.db
      power restore --mark
    """
    if (file is None) == (not mark):
        raise WrongUsage("name the FILE of a backup, or --mark for a database that is restored already")
    if file is None:
        with audit_archive.opened() as database:
            _mark(database, "restored already")
        output.say("marked: what no window holds is turned off when the workers start")
        return
    found = environment.load()
    if not found.database_url.startswith("sqlite"):
        raise WrongUsage(
            "this database is PostgreSQL: stop every process, then run\n"
            f"  pg_restore --clean --if-exists --dbname ADDRESS {file}\n  power restore --mark"
        )
    place = Path(Database(found.database_url).url.database or "")
    with _stopped(found.data_dir):
        kept = _put(file, place)
    output.say(f"{place} is that of {file}" + (f"; the one before is {kept}" if kept else ""))


@contextmanager
def _stopped(data_dir: Path) -> Iterator[None]:
    """Raises Refused while a standalone runs there, Failed where the directory cannot be used."""
    try:
        data_directory.claim(data_dir)
    except data_directory.UnusableDirectory as error:
        raise Failed(str(error)) from error
    lock = Lock(data_dir)
    try:
        lock.take("power restore")
        yield
    except Refused as error:
        raise Refused(f"{error.message.partition(';')[0]}; stop it first") from error
    finally:
        lock.release()


def _put(file: Path, place: Path) -> Path | None:
    """Make the new one whole beside the old one, then let them change places; where the old one went."""
    if not file.is_file():
        raise Unreachable(f"there is no file {file}")
    _check(file)
    draft = place.with_name(f".draft-{place.name}")
    try:
        _copy(file, draft)
        _renew(service_urls.of_file(draft), file)
        kept = _aside(place) if place.exists() else None
        draft.replace(place)
    except OSError as error:
        raise Failed(f"{place}: cannot be written: {error.strerror}") from error
    finally:
        for end in ("", "-wal", "-shm"):
            draft.with_name(f"{draft.name}{end}").unlink(missing_ok=True)
    return kept


def _renew(url: str, file: Path) -> None:
    """Bring it up to date, prove it, and mark it. Raises Failed."""
    found = migrations.current(url)
    if found is None:
        raise Failed(f"{file}: is no database of Power Windows")
    try:
        if found not in schema.KNOWN:
            schema.check(found)
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
        _mark(database, file.name)
    finally:
        database.close()
    # One file again, with nothing of it in a log beside it.
    with closing(sqlite3.connect(database.url.database or "")) as one:
        one.execute("PRAGMA journal_mode=DELETE")


def _mark(database: Database, what: str) -> None:
    with database.write() as session:
        restoring.restored(session, actor=audit_archive.who(), now=database.now(), file=what)


def _aside(place: Path) -> Path:
    kept = place.with_name(f"{place.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for end in ("-wal", "-shm", ""):
        part = place.with_name(f"{place.name}{end}")
        if part.exists():
            part.rename(kept.with_name(f"{kept.name}{end}"))
    return kept
