"""The shared clock is the database's, carried on by this process's own count of seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from app.store.clock import ANCHOR_FOR, ASK_AGAIN, FIRST_TRIES, Clock
from app.store.database import Database

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


class WallClock:
    """A clock that can be read, set and hidden, and seconds that pass."""

    def __init__(self) -> None:
        self.time, self.seconds, self.asked, self.hidden = NOON, 1000.0, 0, False
        self.pauses: list[tuple[float, float]] = []
        """For each of the next questions the seconds before and after the clock is read."""

    def ask(self) -> datetime:
        self.asked += 1
        if self.hidden:
            raise OperationalError("SELECT clock_timestamp()", {}, Exception("away"))
        before, after = self.pauses.pop(0) if self.pauses else (0.0, 0.0)
        self.pass_by(before)
        answer = self.time
        self.pass_by(after)
        return answer

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def wall_clock() -> WallClock:
    return WallClock()


@pytest.fixture
def clock(wall_clock: WallClock) -> Clock:
    return Clock(wall_clock.ask, lambda: wall_clock.seconds)


def test_it_is_carried_on_between_looks(wall_clock: WallClock, clock: Clock) -> None:
    assert clock.now() == NOON
    wall_clock.pass_by(ANCHOR_FOR - 1)
    assert (clock.now(), wall_clock.asked) == (wall_clock.time, 1)


def test_a_step_of_the_hosts_clock_does_not_move_it(wall_clock: WallClock, clock: Clock) -> None:
    clock.now()
    wall_clock.time += timedelta(hours=1)
    wall_clock.seconds += 1
    assert clock.now() == NOON + timedelta(seconds=1)


def test_it_looks_again_after_a_while(wall_clock: WallClock, clock: Clock) -> None:
    clock.now()
    wall_clock.time += timedelta(milliseconds=40)
    wall_clock.pass_by(ANCHOR_FOR)
    assert (clock.now(), wall_clock.asked) == (wall_clock.time, 2)


def test_while_the_database_is_away_the_last_answer_is_carried_on(
    wall_clock: WallClock, clock: Clock
) -> None:
    clock.now()
    wall_clock.hidden = True
    wall_clock.pass_by(ANCHOR_FOR)
    assert [clock.now() for _ in range(5)] == [wall_clock.time] * 5
    # It is asked once, not at every look, since asking may take seconds.
    assert wall_clock.asked == 2
    wall_clock.pass_by(ASK_AGAIN)
    wall_clock.hidden = False
    assert (clock.now(), wall_clock.asked) == (wall_clock.time, 3)


def test_a_clock_that_never_had_an_answer_has_none(wall_clock: WallClock, clock: Clock) -> None:
    wall_clock.hidden = True
    with pytest.raises(OperationalError):
        clock.now()


def test_a_real_one_is_close_to_the_hosts(database: Database) -> None:
    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=2)
    assert database.now() <= database.now()


@pytest.mark.parametrize("pause", [(10.0, 0.0), (0.0, 10.0), (3.0, 7.0)], ids=["before", "after", "both"])
def test_a_slow_answer_does_not_move_it(
    wall_clock: WallClock, clock: Clock, pause: tuple[float, float]
) -> None:
    clock.now()
    wall_clock.pass_by(ANCHOR_FOR)
    wall_clock.pauses = [pause]
    assert clock.now() == wall_clock.time
    wall_clock.pass_by(ASK_AGAIN)
    assert (clock.now(), wall_clock.asked) == (wall_clock.time, 3)


def test_a_slow_answer_bounds_a_clock_that_was_set(wall_clock: WallClock, clock: Clock) -> None:
    clock.now()
    wall_clock.pass_by(ANCHOR_FOR)
    wall_clock.time += timedelta(seconds=30)
    wall_clock.pauses = [(2.0, 2.0)]
    assert abs(clock.now() - wall_clock.time) <= timedelta(seconds=2)
    wall_clock.pass_by(ASK_AGAIN)
    assert clock.now() == wall_clock.time


@pytest.mark.parametrize("pause", [(10.0, 0.0), (0.0, 10.0)], ids=["before", "after"])
def test_a_first_answer_that_is_slow_is_asked_for_again(
    wall_clock: WallClock, clock: Clock, pause: tuple[float, float]
) -> None:
    wall_clock.pauses = [pause]
    assert (clock.now(), wall_clock.asked) == (wall_clock.time, 2)


def test_a_clock_that_is_always_slow_is_asked_a_few_times(wall_clock: WallClock, clock: Clock) -> None:
    wall_clock.pauses = [(1.0, 0.0)] * 9
    assert abs(clock.now() - wall_clock.time) <= timedelta(seconds=0.5)
    assert wall_clock.asked == FIRST_TRIES
