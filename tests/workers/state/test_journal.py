"""A journal outlives its worker, torn lines and a full disk."""

from __future__ import annotations

import errno
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus
from app.domain.stack_id import StackId
from workers.state import journal
from workers.state.journal import Journal
from workers.state.snapshot import Outage

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
OUTAGE = Outage("outage", NOON)
STOP = StartedCall(
    StackId("studio"), "forge", Action.STOP, ("docker", "compose", "stop", "--", "forge"), "local", "w", "ada"
)
DONE = CallOutcome(CallStatus.OK, 0, 300)


@pytest.fixture
def mine(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "blind", "w")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_successor_reads_what_was_done(tmp_path: Path, mine: Journal) -> None:
    first = mine.record_begin(OUTAGE, STOP, at(1))
    mine.record_end(first, DONE, at(2))
    mine.record_begin(OUTAGE, STOP, at(3))
    mine.record_outcome(7, DONE, at(4))

    (path,) = journal.journals_in(tmp_path / "blind").values()
    page = journal.read(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(one.begun, one.started_at, one.outcome, one.finished_at) for one in page.made] == [
        (STOP, at(1), DONE, at(2)),
        (STOP, at(3), None, None),
    ]
    assert [(one.call, one.outcome, one.at) for one in page.ended] == [(7, DONE, at(4))]
    assert [(one.id, one.worker, one.since, one.calls) for one in page.blind] == [("outage", "w", NOON, 2)]


def test_a_torn_line_costs_only_itself(tmp_path: Path, mine: Journal) -> None:
    first = mine.record_begin(OUTAGE, STOP, at(1))
    (path,) = journal.journals_in(tmp_path / "blind").values()
    with path.open("a") as file:
        file.write('\n{"kind": "ended", "id": "')
    mine.record_end(first, DONE, at(2))

    (made,) = journal.read(path).made
    assert made.outcome == DONE


def test_what_a_full_disk_did_not_take_is_kept_and_written_later(
    tmp_path: Path, mine: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_append", full)
        first = mine.record_begin(OUTAGE, STOP, at(1))
    assert journal.journals_in(tmp_path / "blind") == {}
    page, _ = mine.page([])
    assert page.made == []  # It is under way.

    mine.record_end(first, DONE, at(2))

    (path,) = journal.journals_in(tmp_path / "blind").values()
    (made,) = journal.read(path).made
    assert (made.started_at, made.outcome) == (at(1), DONE)


def test_a_call_under_way_keeps_the_outage_open_and_the_file_there(tmp_path: Path, mine: Journal) -> None:
    first, second = mine.record_begin(OUTAGE, STOP, at(1)), mine.record_begin(OUTAGE, STOP, at(1))
    mine.record_end(first, DONE, at(2))
    over = [Outage("outage", NOON, at(3))]

    page, taken = mine.page(over)
    mine.forget(taken)
    assert ([one.id for one in page.made], page.blind) == ([first], [])
    assert journal.journals_in(tmp_path / "blind") != {}

    mine.record_end(second, DONE, at(4))
    page, taken = mine.page(over)
    mine.forget(taken)
    assert ([one.id for one in page.made], [one.calls for one in page.blind]) == ([second], [2])
    assert mine.empty
    assert journal.journals_in(tmp_path / "blind") == {}
