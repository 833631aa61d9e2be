"""`power backup` and `power restore`: the commands around `app.archive.backup` and `app.archive.restore`.

They copy and replace SQLite databases. For PostgreSQL they print the command of its own
tools; `power restore --mark` then marks the restored database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import URL, make_url

import migrations
from app.archive import backup as archive_backup
from app.archive import restore as archive_restore
from app.archive.database import open_database
from app.cli import environment, output
from app.host import data_directory
from app.settings import service_urls
from app.standalone.process_record import Lock
from app.store.database import Database
from power_windows.errors import Failed, Refused, WrongUsage


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the database to FILE, also while the service runs.

    The copy has the state of one moment, is checked, and never replaces an existing file. For a
    PostgreSQL database the command names the tool that copies it. Keep power.toml and the token too.

    \b
    Example:
      power backup power-2030-05-01.db
    """
    url = environment.load().database_url
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        dump = f"pg_dump --format=custom --file {file} '{_plain(address)}'"
        raise WrongUsage(f"this database is PostgreSQL, which has its own tools; run\n  {dump}")
    archive_backup.back_up(url, file)
    output.say(
        f"{file}  {file.stat().st_size} bytes, schema {migrations.current(service_urls.of_file(file))}"
    )


def _plain(url: URL) -> str:
    """The address for PostgreSQL's own tools, without the password."""
    return url._replace(drivername="postgresql", password=None).render_as_string()


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--mark", is_flag=True, help="The database is restored already (pg_restore): only mark it.")
def restore(file: Path | None, *, mark: bool) -> None:
    """Replace the database by that of FILE, and keep the old one beside it.

    Stop the service first. The restored database has no windows that were opened after the backup, so
    every allowed service that none of its windows holds is turned off once the service runs again. The
    audit trail continues with an entry of the restore. After PostgreSQL's own pg_restore run
    `power restore --mark`.

    \b
    Examples:
      power restore power-2030-05-01.db
      power restore --mark
    """
    if (file is None) == (not mark):
        raise WrongUsage("name the FILE of a backup, or --mark for a database that is restored already")
    if file is None:
        with open_database(environment.load().database_url) as database:
            archive_restore.mark_restored(database, "restored already")
        output.say("marked: services that no window holds are turned off when the workers start")
        return
    settings = environment.load()
    if not settings.database_url.startswith("sqlite"):
        raise WrongUsage(
            "this database is PostgreSQL: stop every process, then run\n"
            f"  pg_restore --clean --if-exists --dbname ADDRESS {file}\n  power restore --mark"
        )
    place = Path(Database(settings.database_url).url.database or "")
    with _require_stopped(settings.data_dir):
        previous = archive_restore.replace_database(file, place)
    output.say(f"{place} was replaced by {file}" + (f"; the old one is {previous}" if previous else ""))


@contextmanager
def _require_stopped(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the data directory; raises Refused while a standalone runs there, or Failed."""
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
