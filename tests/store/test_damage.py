"""A file that turns out to be damaged is let go of at once: nothing of it stays open or mapped."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, text

import migrations
from app.settings import service_urls
from app.store.database import Database, DatabaseUnusable

pytestmark = pytest.mark.integration


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "power.db"


@pytest.fixture
def database(place: Path) -> Iterator[Database]:
    url = service_urls.of_file(place)
    migrations.upgrade(url)
    database = Database(url)
    yield database
    database.close()


def held(place: Path) -> list[str]:
    """What this process has open or mapped of a database."""
    opened = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    return [one for one in opened + mapped if one.startswith(str(place))]


def use(database: Database, connections: int) -> None:
    """Have so many connections in the pool."""
    with ExitStack() as together:
        for _ in range(connections):
            together.enter_context(database.read()).execute(text("SELECT 1 FROM windows"))


def overwrite(place: Path) -> None:
    with place.open("r+b") as file:
        file.write(os.urandom(place.stat().st_size))


def test_damage_closes_every_connection(database: Database, place: Path) -> None:
    use(database, 3)
    assert len(held(place)) > 3
    overwrite(place)

    with pytest.raises(DatabaseUnusable), database.write() as session:
        session.execute(text("SELECT * FROM windows"))

    assert held(place) == []


def test_a_connection_in_use_is_closed_with_its_session(database: Database, place: Path) -> None:
    with database.read() as session:
        session.execute(text("SELECT 1"))
        overwrite(place)
        database.damage_of(error_of(place))
        with pytest.raises(DatabaseUnusable):
            session.execute(text("SELECT * FROM windows"))

    assert held(place) == []


def error_of(place: Path) -> sqlite3.DatabaseError:
    """What SQLite says to a connection that is not one of the database's own."""
    connection = sqlite3.connect(place)
    try:
        with pytest.raises(sqlite3.DatabaseError) as caught:
            connection.execute("SELECT * FROM windows")
    finally:
        connection.close()
    return caught.value


def test_memory_that_cannot_be_had_for_the_file_closes_every_connection(
    database: Database, place: Path
) -> None:
    """As once the process may map no more; the file is not called damaged for it."""
    use(database, 3)

    def fail(*_: object) -> None:
        raise MemoryError

    event.listen(database.engine, "do_execute", fail)
    with pytest.raises(MemoryError), database.read() as session:
        session.execute(text("SELECT 1"))
    event.remove(database.engine, "do_execute", fail)

    assert (held(place), database.unusable) == ([], None)
    use(database, 1)
