"""`power audit archive`: what is old leaves the database for files that still prove themselves."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.archive import export, verify
from app.archive import files as pages
from app.archive.database import operator_name
from app.domain.enums import Event
from app.store import audit, retention
from app.store.tables import IdempotencyKey, Window
from app.usecases.windows.open import Repeat
from tests.cli.audit_archives import Run, archived, heads, old, run
from tests.store.tampering import tamper
from tests.system import System

__all__ = ["old", "run"]

pytestmark = pytest.mark.integration


def test_what_is_old_leaves_and_the_rest_still_verifies(old: System, run: Run, tmp_path: Path) -> None:
    before = [entry.as_json() for entry in old.entries()]

    files = archived(run, tmp_path)

    written = [json.loads(line) for line in files[0].read_text().splitlines()[1:]]
    assert (written, old.entries(), old.intact()) == (before, [], True)
    assert heads(old.database)["studio"] == (len(before), len(before))
    assert pages.check_entries(files[0])[0].last == len(before)


def test_the_chain_goes_on_where_the_file_ends(old: System, run: Run, tmp_path: Path) -> None:
    last = old.entries()[-1]
    archived(run, tmp_path)
    window = old.open("forge")

    assert old.entries()[0].prev == last.hash
    assert old.intact()
    tamper(old.database, f"UPDATE audit SET actor = 'eve' WHERE seq = {last.seq + 1} AND chain = 'studio'")
    assert (old.intact(), old.state(window)) == (False, "open")


def test_the_trail_tells_of_it(old: System, run: Run, tmp_path: Path) -> None:
    file = archived(run, tmp_path)[0]
    with old.database.read() as session:
        entries = [one for one in audit.entries(session) if one.event == Event.AUDIT_ARCHIVED]
    facts = [json.loads(one.facts) for one in entries]
    assert {one.chain for one in entries} == {"house"}
    assert [one["windows"] for one in facts if "windows" in one] == [3]
    mine = next(one for one in facts if one.get("chain") == "studio")
    assert (mine["file"], mine["first"], mine["hash"]) == (file.name, 1, pages.check_entries(file)[0].hash)
    assert {one.actor for one in entries} == {operator_name()}


def test_what_concerns_an_unfinished_window_stays(old: System, run: Run, tmp_path: Path) -> None:
    window = old.open("forge", ttl=3000)
    begun = old.entries(window)[0].seq
    old.close(old.open("mill"))

    archived(run, tmp_path)

    assert heads(old.database)["studio"][0] == begun - 1
    assert old.state(window) == "open"
    assert len(old.entries(window)) > 2


def test_what_is_young_stays(old: System, run: Run, tmp_path: Path) -> None:
    old.now = datetime.now(UTC)
    young = old.open("forge")
    old.close(young)

    archived(run, tmp_path)

    assert old.state(young) == "closed"
    assert {one.window_id for one in old.entries()} - {None} == {young}
    assert "nothing is that old" in run("archive", "--before", "90d", "--to", tmp_path).output


def test_finished_windows_leave_with_leases_and_calls(old: System, run: Run, tmp_path: Path) -> None:
    archived(run, tmp_path)

    with old.database.read() as session:
        left = [
            session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("windows", "leases", "calls")
        ]
    file = next(tmp_path.glob("windows-*"))
    written = [json.loads(line) for line in file.read_text().splitlines()[1:-1]]
    assert (left, len(pages.check_windows(file))) == ([0, 0, 0], 3)
    assert all({lease["service"] for lease in one["leases"]} == {"forge", "mill"} for one in written)
    assert all(len(one["calls"]) == 4 for one in written)


def test_a_window_that_a_key_stands_for_stays(old: System, run: Run, tmp_path: Path) -> None:
    old.now = datetime.now(UTC) - timedelta(hours=2)
    repeat = Repeat("ada", "key", "body")
    window, _ = old.ask("forge", repeat=repeat)
    old.work()
    old.close(window)

    result = run("archive", "--before", "1h", "--to", tmp_path)

    assert result.exit_code == 0, result.output
    assert old.ask("forge", repeat=repeat) == (window, False)


def test_a_key_that_is_over_keeps_nothing_and_does_no_harm(old: System, run: Run, tmp_path: Path) -> None:
    repeat = Repeat("ada", "key", "body")
    window, _ = old.ask("forge", repeat=repeat)
    old.work()
    old.close(window)
    archived(run, tmp_path)
    with old.database.read() as session:
        assert (session.get(Window, window), session.get(IdempotencyKey, ("ada", "key")) is None) == (
            None,
            False,
        )

    old.now = datetime.now(UTC)
    again, new = old.ask("forge", repeat=repeat)
    assert (new, again == window) == (True, False)


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, place: str, number: int) -> Iterator[None]:
    """The archiving process is killed at its `number`th call of this function."""
    genuine, count = getattr(retention, place), 0

    def die(*words: object) -> object:
        nonlocal count
        count += 1
        if count == number:
            raise KeyboardInterrupt
        return genuine(*words)

    with monkeypatch.context() as patch:
        patch.setattr(retention, place, die)
        yield


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("page", 1),
        ("delete_archived", 1),
        ("delete_archived", 2),
        ("delete_archived", 3),
        ("delete_windows", 1),
    ],
)
def test_a_run_that_was_killed_loses_nothing_and_the_next_goes_on(
    old: System, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    monkeypatch.setattr(export, "_ENTRY_BATCH", 10)
    before = [entry.as_json() for entry in old.entries()]
    with dying(monkeypatch, place, number):
        assert run("archive", "--before", "90d", "--to", tmp_path).exit_code != 0
    assert old.intact()

    files = archived(run, tmp_path)

    written = [json.loads(line) for file in files for line in file.read_text().splitlines()[1:]]
    assert (written, old.intact()) == (before, True)
    assert verify.prove(files, None)[1] == []


def test_files_join_each_other_and_the_live_trail(old: System, run: Run, tmp_path: Path) -> None:
    archived(run, tmp_path)
    old.close(old.open("forge"))
    one, two = archived(run, tmp_path, "--gzip")
    old.close(old.open("forge"))
    three = archived(run, tmp_path)[-1]
    with old.database.read() as session:
        proofs = audit.verify(session)
    live = [
        {"chain": p.chain, "entries": p.entries, "ok": p.ok, "first_bad": None, "archived": p.archived,
         "archived_hash": p.archived_hash}
        for p in proofs
    ]  # fmt: skip

    assert verify.prove([three, one, two], live)[1] == []  # type: ignore[arg-type]
    assert "are missing between" in verify.prove([one, three], live)[1][0]  # type: ignore[arg-type]
    assert "and the live trail" in verify.prove([one, two], live)[1][0]  # type: ignore[arg-type]
    result = run("verify", one, two, three)
    assert (result.exit_code, "verified by themselves" in result.stderr) == (0, True)


def test_a_broken_trail_is_not_archived(old: System, run: Run, tmp_path: Path) -> None:
    tamper(old.database, "UPDATE audit SET actor = 'eve' WHERE seq = 5 AND chain = 'studio'")
    result = run("archive", "--before", "90d", "--to", tmp_path)
    assert result.exit_code == 1
    assert "entry 5 of studio is altered; nothing of it was let go" in result.stderr
    assert list(tmp_path.glob("*audit-studio*")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_heads SET archived_seq = seq + 1 WHERE chain = 'studio'",
        "UPDATE audit_heads SET archived_seq = 2 WHERE chain = 'studio'",
        "DELETE FROM audit WHERE seq = 3 AND chain = 'studio'",
    ],
)
def test_the_database_lets_go_of_nothing_that_is_not_archived(old: System, statement: str) -> None:
    with pytest.raises(DBAPIError), old.database.write() as session:
        session.execute(text(statement))
    assert old.intact()


def test_what_was_archived_does_not_come_back(old: System, run: Run, tmp_path: Path) -> None:
    archived(run, tmp_path)
    with pytest.raises(DBAPIError, match="never shrinks"), old.database.write() as session:
        session.execute(text("UPDATE audit_heads SET archived_seq = 1 WHERE chain = 'studio'"))


def test_what_is_wrong_is_said(
    old: System, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("archive", "--before", "soon", "--to", tmp_path).exit_code == 2
    assert run("archive", "--before", "90d").exit_code == 2
    (tmp_path / "file").write_text("")
    blocked = run("archive", "--before", "90d", "--to", tmp_path / "file" / "below")
    assert (blocked.exit_code, "cannot be used" in blocked.stderr) == (1, True)
    absent = run("verify", tmp_path / "absent.jsonl")
    assert (absent.exit_code, "cannot be read" in absent.stderr) == (1, True)
    with export.lock_directory(tmp_path):
        second = run("archive", "--before", "90d", "--to", tmp_path)
    assert (second.exit_code, "another archive is writing" in second.stderr) == (1, True)
    monkeypatch.setenv("POWER_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    away = run("archive", "--before", "90d", "--to", tmp_path)
    assert (away.exit_code, "there is no database at" in away.stderr) == (3, True)
    assert not os.path.exists(tmp_path / "none.db")  # noqa: PTH110


def test_a_time_is_written_in_one_way_only(old: System, run: Run, tmp_path: Path) -> None:
    file = archived(run, tmp_path)[0]
    file.write_text(re.sub(r'("at":"[0-9-]+)T', r"\1U", file.read_text(), count=1))
    with pytest.raises(pages.Broken, match="entry 1 of studio is altered"):
        pages.check_entries(file)
