"""Every step of the schema, one at a time, up and down, with rows in every table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError

import migrations
from app.store import schema
from app.store.database import Database
from migrations import __main__ as command
from tests.databases import Databases
from tests.migrations import rows

STEPS = [step.revision for step in reversed(list(ScriptDirectory(str(migrations.HERE)).walk_revisions()))]
PAIRS = list(pairwise(STEPS))


@pytest.fixture(params=Databases.KINDS)
def empty(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    url = databases.empty(request.param)
    yield url
    databases.release(url, migrated=False)


def refuses(url: str, statement: str) -> bool:
    """Does the database itself turn this down?"""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    except DBAPIError as error:
        return "append-only" in str(error)
    return False


def guarded(url: str) -> bool:
    emptying = "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1"
    statements = [
        "UPDATE audit SET actor = 'eve' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 1",
        "TRUNCATE audit" if url.startswith("postgresql") else emptying,
    ]
    return all(refuses(url, statement) for statement in statements)


DROPPED = {"0020": {"signing_keys"}}
"""Tables that a step removes on purpose: no key that signs anything stays in the database."""


@pytest.mark.parametrize(("lower", "upper"), PAIRS)
def test_a_step_down_and_up_keeps_what_the_older_schema_can_hold(empty: str, lower: str, upper: str) -> None:
    migrations.upgrade(empty, upper)
    rows.fill(empty)
    before, indexed = rows.kept(empty), rows.indexes(empty)
    assert all(before.values()), before

    migrations.downgrade(empty, lower)
    between = rows.kept(empty)
    assert rows.unaltered(between) == rows.shared(before, between)
    assert (rows.faults(empty), guarded(empty)) == ([], True)

    migrations.upgrade(empty, upper)
    after = rows.kept(empty)
    assert rows.shared(after, between) == rows.unaltered(between)
    assert (rows.faults(empty), guarded(empty)) == ([], True)
    assert rows.indexes(empty) == indexed


@pytest.mark.parametrize(("lower", "upper"), PAIRS)
def test_a_step_up_keeps_every_row(empty: str, lower: str, upper: str) -> None:
    migrations.upgrade(empty, lower)
    rows.fill(empty)
    before = rows.kept(empty)

    migrations.upgrade(empty, upper)

    left = {
        table: rows_of_table for table, rows_of_table in before.items() if table not in DROPPED.get(upper, ())
    }
    assert rows.shared(rows.kept(empty), left) == rows.unaltered(left)
    assert (rows.faults(empty), guarded(empty)) == ([], True)


def test_a_schema_that_knows_no_archive_is_not_gone_back_to_once_there_is_one(empty: str) -> None:
    migrations.upgrade(empty, "0004")
    rows.fill(empty)
    engine = sa.create_engine(empty, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE audit_heads SET archived_seq = 1, "
                "archived_hash = (SELECT hash FROM audit WHERE seq = 1 AND chain = 'studio')"
            )
        )
    with pytest.raises(CommandError, match="entries of studio are archived"):
        migrations.downgrade(empty, "0003")
    assert migrations.current(empty) == "0004"


def migrating(url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "migrations", *words],
        env=os.environ | {"POWER_DATABASE_URL": url},
        cwd=migrations.HERE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_several_that_upgrade_at_once_do_each_other_no_harm(empty: str) -> None:
    ours = [migrating(empty) for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0] for process in ours]

    assert [process.returncode for process in ours] == [0] * 4, outputs
    assert migrations.current(empty) == migrations.head()


@pytest.mark.parametrize("step", STEPS[1:])
def test_an_upgrade_that_dies_at_its_last_step_has_changed_nothing_and_is_run_again(
    empty: str, step: str
) -> None:
    """Everything up to that step was done, and the process died before the commit."""
    migrations.upgrade(empty, "0001")
    rows.fill(empty)
    before, indexed = rows.kept(empty), rows.indexes(empty)
    code = (
        "import os, sys, migrations\n"
        "from alembic.runtime.migration import HeadMaintainer\n"
        "genuine = HeadMaintainer.update_to_step\n"
        "def update(self, step):\n"
        "    genuine(self, step)\n"
        f"    if step.revision.revision == {step!r}: os._exit(9)\n"
        "HeadMaintainer.update_to_step = update\n"
        "migrations.upgrade(sys.argv[1])\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code, empty], cwd=migrations.HERE.parent, check=False, timeout=120
    )
    assert died.returncode == 9
    assert (rows.kept(empty), rows.indexes(empty)) == (before, indexed)

    migrations.upgrade(empty)
    assert rows.shared(rows.kept(empty), before) == rows.unaltered(before)
    assert (rows.faults(empty), guarded(empty)) == ([], True)


def test_a_schema_that_does_not_fit_is_named_with_the_command_that_mends_it(empty: str) -> None:
    database = Database(empty)
    with pytest.raises(schema.Mismatch, match=r"is empty.*python -m migrations upgrade"):
        schema.require(database)
    migrations.upgrade(empty, "0002")
    with pytest.raises(schema.Mismatch, match=r"at schema 0002.*python -m migrations upgrade"):
        schema.require(database)
    migrations.upgrade(empty)
    schema.require(database)

    stamped(empty, "9999")
    with pytest.raises(schema.Mismatch, match=r"at schema 9999.*none newer.*run the newer program"):
        schema.require(database)
    database.close()


def test_the_program_knows_every_step() -> None:
    assert list(schema.KNOWN) == STEPS


WEB = ["gunicorn", "app.web:create_app()", "--bind", "127.0.0.1:0", "--no-control-socket"]
WORKER = ["celery", "-A", "workers", "worker", "-c", "1", "--without-mingle", "--without-gossip"]
BEAT = ["celery", "-A", "workers", "beat"]


@pytest.mark.parametrize("words", [WEB, WORKER, BEAT], ids=["web", "worker", "beat"])
@pytest.mark.parametrize(("revision", "mend"), [(None, "migrations upgrade"), ("9999", "the newer program")])
def test_a_process_that_starts_on_another_schema_says_what_mends_it_and_ends(
    databases: Databases, tmp_path: Path, words: list[str], revision: str | None, mend: str
) -> None:
    url = databases.empty("sqlite") if revision is None else databases.migrated("sqlite")
    if revision:
        stamped(url, revision)
    (tmp_path / "power.toml").write_text('[stacks.small]\nproject = "small"\nallow = ["forge"]\n')
    variables = {
        "POWER_DATABASE_URL": url,
        "POWER_DATA_DIR": str(tmp_path),
        "POWER_CONFIG": str(tmp_path / "power.toml"),
        "POWER_BROKER_URL": "memory://",
        "PYTHONPATH": str(migrations.HERE.parent),
    }
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        env=os.environ | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    databases.release(url)
    lines = [line for line in (ended.stdout + ended.stderr).splitlines() if mend in line]
    assert (len(lines), ended.returncode != 0) == (1, True), ended.stderr


def stamped(url: str, revision: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{revision}'"))


def test_the_command_upgrades_tells_and_goes_back(
    empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWER_DATABASE_URL", empty)
    head = migrations.head()

    assert [command.main(words) for words in ([], ["current"], ["downgrade", "0001"])] == [0, 0, 0]

    lines = [f"was at nothing, is at {head}", f"{head} (newest: {head})", f"was at {head}, is at 0001"]
    assert capsys.readouterr().out.splitlines() == lines


def test_the_command_says_what_it_could_not_do(
    empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWER_DATABASE_URL", empty)
    command.main([])
    stamped(empty, "9999")
    assert command.main([]) == 1
    assert "run the newer program" in capsys.readouterr().err

    monkeypatch.setenv("POWER_DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/none")
    assert command.main([]) == 1
    assert "the database cannot be used" in capsys.readouterr().err
