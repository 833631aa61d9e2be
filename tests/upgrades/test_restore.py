"""An older database is restored while containers run that it does not know: it comes to the truth."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from app.cli import main
from app.cli.backup import backup, restore
from app.domain.enums import Event, State
from app.store import audit
from app.store.database import Database
from app.usecases import restore as restoring
from tests.engine.stacks import Stack, running, until
from tests.system import System


@pytest.fixture
def environ(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environ.items():
        monkeypatch.setenv(name, value)


def done(command: click.Command, *words: str) -> Result:
    result = CliRunner().invoke(main, [str(command.name), *words])
    assert result.exit_code == 0, result.output
    return result


def test_what_the_restored_database_does_not_know_of_is_turned_off(
    stack: Stack, environ: None, tmp_path: Path
) -> None:
    """`kept` is held by a window that lasts, `late` by one that has ended since, `later` was opened after."""
    names = ("core", "kept", "late", "gone", "later", "secret")
    stack.write(
        {name: running() for name in names},
        core=["core"],
        allow=["kept", "late", "gone", "later"],
        grace="1h",
    )
    stack.by_hand("up", "-d", "core", "secret")
    stack.begin()
    lasting, ending = stack.open("kept", ttl=3000), stack.open("late", "gone", ttl=600)
    for window in (lasting, ending):
        stack.opened(window)
    done(backup, str(tmp_path / "backup.db"))
    stack.opened(stack.open("later"))
    stack.by_hand("stop", "gone")
    stack.end()
    before = {name: stack.ids(name) for name in ("core", "kept", "secret")}
    stack.database.close()

    passed = sqlite3.connect(tmp_path / "backup.db")
    with closing(passed):  # As if the backup were old enough for this one's time to be up.
        passed.execute("UPDATE windows SET deadline = '2020-01-01 00:00:00' WHERE id = ?", (ending,))
        passed.commit()
    done(restore, str(tmp_path / "backup.db"))
    stack.database = Database(stack.database_url)
    stack.begin()

    stack.closed(ending, within=60)
    until(lambda: stack.alive() == {"core", "kept", "secret"}, "only what is held runs", 60, stack)
    assert {name: stack.ids(name) for name in before} == before
    assert stack.window(lasting).state == State.OPEN
    until(
        lambda: not any(row.stop_pending for row in map(stack.row, ("late", "later", "gone")) if row),
        "no off is owed",
        60,
        stack,
    )
    assert [entry.chain for entry in stack.entries(Event.DATABASE_RESTORED)] == ["house"]
    with stack.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))


def test_after_a_restore_nothing_is_taken_for_off_until_a_stop_confirms_it(database: Database) -> None:
    system = System(database)
    system.run_by_hand("forge")
    assert not system.row("forge").stop_pending
    with database.write() as session:
        restoring.mark_restored(session, actor="ada", now=system.now)
    system.work()

    assert system.running() == {"redis"}
    assert "stop forge" in system.made
    assert not any("redis" in call or "secret" in call for call in system.made)
    system.run_by_hand("forge")
    assert system.running() == {"redis", "forge"}, "what a hand starts later is left alone again"
    assert system.intact()


def test_a_stack_that_the_restored_database_does_not_know_begins_with_everything_off(
    database: Database,
) -> None:
    with database.write() as session:
        restoring.mark_restored(session, actor="ada", now=database.now())
    system = System(database, now=database.now())
    system.run_by_hand("mill")
    assert system.running() == {"redis"}


@pytest.fixture
def original(tmp_path: Path, databases: object, monkeypatch: pytest.MonkeyPatch) -> System:
    """A database in a file, named by the environment."""
    import migrations

    url = f"sqlite:///{tmp_path / 'data' / 'power.db'}"
    (tmp_path / "data").mkdir()
    migrations.upgrade(url)
    monkeypatch.setenv("POWER_DATABASE_URL", url)
    monkeypatch.setenv("POWER_DATA_DIR", str(tmp_path / "data"))
    system = System(Database(url))
    system.open("forge")
    return system


def test_a_backup_is_one_file_of_one_moment_and_replaces_no_file(original: System, tmp_path: Path) -> None:
    place = tmp_path / "copy.db"
    done(backup, str(place))
    again = CliRunner().invoke(main, ["backup", str(place)])
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)

    copy = Database(f"sqlite:///{place}")
    with copy.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
        assert session.scalar(text("SELECT count(*) FROM windows")) == 1
    copy.close()
    assert oct(place.stat().st_mode)[-3:] == "600"


def test_an_older_backup_is_brought_up_to_date_and_what_was_there_is_kept(
    original: System, tmp_path: Path
) -> None:
    import migrations

    done(backup, str(tmp_path / "old.db"))
    migrations.downgrade(f"sqlite:///{tmp_path / 'old.db'}", "0002")
    original.close(original.open("mill"))
    original.database.close()

    done(restore, str(tmp_path / "old.db"))

    url = f"sqlite:///{tmp_path / 'data' / 'power.db'}"
    assert migrations.current(url) == migrations.head()
    assert migrations.current(f"sqlite:///{tmp_path / 'old.db'}") == "0002"
    (before,) = (one for one in (tmp_path / "data").glob("power.db.before-*Z"))
    with closing(sqlite3.connect(before)) as one:
        assert one.execute("SELECT count(*) FROM windows").fetchone() == (2,)


def test_what_is_no_backup_of_ours_is_turned_down_and_nothing_changes(
    original: System, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("not a database at all, and longer than a header would have to be")
    with closing(sqlite3.connect(tmp_path / "other.db")) as one:
        one.execute("CREATE TABLE t (x)")
    done(backup, str(tmp_path / "newer.db"))
    done(backup, str(tmp_path / "forged.db"))
    with closing(sqlite3.connect(tmp_path / "newer.db")) as one:
        one.execute("UPDATE alembic_version SET version_num = '9999'")
        one.commit()
    with closing(sqlite3.connect(tmp_path / "forged.db")) as one:
        one.execute("DROP TRIGGER audit_refuses_update")
        one.execute("UPDATE audit SET actor = 'eve' WHERE seq = 2")
        one.commit()
    expected = {
        "text": (1, "not a database"),
        "other.db": (1, "is no database of Power Windows"),
        "newer.db": (1, "run the newer program"),
        "forged.db": (1, "entry 2 is altered"),
        "absent.db": (3, "there is no file"),
    }
    for name, (code, why) in expected.items():
        result = CliRunner().invoke(main, ["restore", str(tmp_path / name)])
        assert (result.exit_code, why in result.stderr) == (code, True), result.output
    assert (original.intact(), list((tmp_path / "data").glob("*before*"))) == (True, [])
    assert CliRunner().invoke(main, ["restore"]).exit_code == 2


def test_for_postgres_the_exact_command_is_named_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWER_DATABASE_URL", "postgresql+psycopg://ada:secret@db:5432/power")
    result = CliRunner().invoke(main, ["backup", "it.dump"])
    assert result.exit_code == 2
    assert "  pg_dump --format=custom --file it.dump 'postgresql://ada@db:5432/power'" in result.stderr
    assert "power restore --mark" in CliRunner().invoke(main, ["restore", "it.dump"]).stderr
