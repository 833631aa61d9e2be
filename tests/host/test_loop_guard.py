"""A loop outlives what its rounds raise; the log says it once, and the count goes on."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from app.domain.enums import Loop
from app.host.loop_guard import MOST_ITEMS, LoopGuard
from app.store.database import is_outage


@pytest.fixture
def guard(caplog: pytest.LogCaptureFixture) -> LoopGuard:
    caplog.set_level(logging.INFO)
    return LoopGuard(is_outage)


def missing() -> None:
    raise KeyError("forge")


def refused() -> None:
    raise OSError("no space left")


def away() -> None:
    raise OperationalError("SELECT", {}, OSError("no answer"))


def well() -> None:
    """A round without a fault."""


def test_the_same_failure_is_logged_once_with_its_traceback(
    guard: LoopGuard, caplog: pytest.LogCaptureFixture
) -> None:
    assert [guard.run(Loop.LOOKS, missing, "vx11") for _ in range(100)] == list(range(1, 101))

    (record,) = caplog.records
    assert record.getMessage() == "loop looks, vx11 failed; it is tried again"
    assert record.exc_info


def test_another_failure_is_logged_again(guard: LoopGuard, caplog: pytest.LogCaptureFixture) -> None:
    for work in (missing, missing, refused, refused, missing):
        guard.run(Loop.LOOKS, work)

    assert [type(record.exc_info[1]).__name__ for record in caplog.records if record.exc_info] == [
        "KeyError",
        "OSError",
        "KeyError",
    ]


def test_the_end_of_a_failure_is_logged(guard: LoopGuard, caplog: pytest.LogCaptureFixture) -> None:
    for work in (missing, missing, well, well):
        guard.run(Loop.CLOCK, work)

    assert caplog.records[-1].getMessage() == "loop clock works again, after 2 failures in 0 s"
    assert len(caplog.records) == 2


def test_one_failing_item_says_nothing_of_another(guard: LoopGuard) -> None:
    guard.run(Loop.LOOKS, missing, "vx11")
    guard.run(Loop.LOOKS, missing, "vx11")

    assert guard.run(Loop.LOOKS, missing, "studio") == 1
    assert guard.run(Loop.LOOKS, well, "studio") == 0
    assert guard.run(Loop.LOOKS, missing, "vx11") == 3


def test_failures_are_counted_by_loop_and_taken_once(guard: LoopGuard) -> None:
    guard.run(Loop.LOOKS, missing, "vx11")
    guard.run(Loop.LOOKS, refused, "studio")
    guard.run(Loop.EVENTS, refused)

    counts = guard.take_counts()
    assert counts == {Loop.LOOKS: 2, Loop.EVENTS: 1}
    assert guard.take_counts() == {}

    guard.give_back(counts)
    assert guard.take_counts() == counts


def test_a_database_that_is_away_is_no_fault_of_the_loop(
    guard: LoopGuard, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        guard.run(Loop.CLOCK, away)

    (record,) = caplog.records
    assert "the database is away" in record.getMessage()
    assert not record.exc_info
    assert guard.take_counts() == {}


def test_a_row_that_the_database_refuses_is_no_outage() -> None:
    assert is_outage(OperationalError("SELECT", {}, OSError()))
    assert not is_outage(IntegrityError("INSERT", {}, ValueError()))
    assert not is_outage(KeyError())


def test_what_is_remembered_of_failing_items_is_bounded(guard: LoopGuard) -> None:
    for number in range(MOST_ITEMS + 50):
        guard.run(Loop.OPENING, missing, f"window {number}")

    assert len(guard.failing) == MOST_ITEMS
    assert guard.run(Loop.OPENING, missing, "window 0") == 1
    assert guard.run(Loop.OPENING, missing, f"window {MOST_ITEMS + 49}") == 2
