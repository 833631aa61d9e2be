"""Clocks that are carried on the time since boot, so that a step of the wall clock moves none of them.

Every deadline and every other stored time is a time of the shared clock. It is
the database's clock (on SQLite the host's) plus an offset that is kept in the database.
A step of the database's clock shows as a difference between what a process carries and what
it reads. The process goes on with what it carries, and `app.usecases.timekeeping` changes the offset:

    database's clock   12:00:15 ... 10:00:30      stepped back by two hours
    offset                    0         +2 h      corrected once, by whichever process is first
    shared clock       12:00:15 ... 12:00:30
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.host.boot_clock import boot_clock

ANCHOR_FOR = 15.0
"""Seconds after which a clock is compared with the one it follows again."""
ASK_AGAIN = 1.0
"""Seconds after which one that was away, or has stepped, is asked for the time again."""
QUICK = 0.1
"""Seconds within which an answer must come to be taken for the time; a slower one only bounds it."""
SLOW_ANSWER = 1.0
"""Seconds after which an answer is too late to go by for long: the clock is asked again soon."""
FIRST_TRIES = 3
"""How often a clock that has no earlier answer is asked, where its answers are slow."""
SMALLEST_STEP = timedelta(minutes=1)
"""Smaller differences are followed, as those that NTP corrects."""
WITNESSED = timedelta(seconds=15)
"""A worker whose last stored time is no older than this uses the same clock as the database."""

_AWAY = (DBAPIError, PoolTimeout)


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    """What a remote clock answered."""

    at: float
    """The middle between asking and hearing it, in seconds since boot."""
    time: datetime
    took: float
    """Seconds between asking and hearing it; the time is true at one moment of these."""

    def closest_to(self, carried: datetime | None) -> datetime:
        """The time at `at`: the answer, or `carried` where the answer is slow and does not rule that out.

        A database that stands still for ten seconds may have read its clock before or after the
        pause, so its answer is wrong by up to five seconds.
        """
        if carried is None or self.took <= QUICK:
            return self.time
        error = timedelta(seconds=self.took / 2)
        return min(max(carried, self.time - error), self.time + error)


class Clock:
    """A remote clock, carried on the time since boot between looks."""

    def __init__(
        self,
        ask: Callable[[], datetime],
        elapsed: Callable[[], float] = boot_clock,
        away: tuple[type[Exception], ...] = _AWAY,
    ) -> None:
        self._ask, self._elapsed, self._away = ask, elapsed, away
        self._anchor: tuple[float, datetime] | None = None
        self._ask_at = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time; while the remote clock does not answer, the last answer plus the time since."""
        anchor = self._anchor
        if anchor is None or self._elapsed() >= self._ask_at:
            anchor = self._read_anchor()
        return _extrapolate(anchor, self._elapsed())

    def extrapolate(self) -> datetime | None:
        """The last answer plus the time since, without asking again; None where there was no answer yet."""
        anchor = self._anchor
        return _extrapolate(anchor, self._elapsed()) if anchor else None

    def _read_anchor(self) -> tuple[float, datetime]:
        """Ask, one thread at a time; a thread that has an earlier answer does not wait for a new one."""
        if self._anchor and self._lock.locked():
            return self._anchor
        with self._lock:
            if self._anchor is None or self._elapsed() >= self._ask_at:
                self._anchor = self._ask_again()
            return self._anchor

    def _ask_again(self) -> tuple[float, datetime]:
        try:
            answer = self._quickest_answer()
        except self._away:
            if self._anchor is None:
                raise
            self._ask_at = self._elapsed() + ASK_AGAIN
            return self._anchor
        self._ask_at = self._elapsed() + (ANCHOR_FOR if answer.took <= SLOW_ANSWER else ASK_AGAIN)
        return answer.at, self._accept(answer.at, answer.closest_to(self._carried_source(answer.at)))

    def _quickest_answer(self) -> ClockAnswer:
        """One answer; without an earlier one, the quickest of a few tries where answers are slow."""
        answer = self._time_answer()
        for _ in range(0 if self._anchor else FIRST_TRIES - 1):
            if answer.took <= QUICK:
                break
            answer = min(answer, self._time_answer(), key=lambda one: one.took)
        return answer

    def _time_answer(self) -> ClockAnswer:
        before = self._elapsed()
        time = self._ask()
        took = self._elapsed() - before
        return ClockAnswer(before + took / 2, time, took)

    def _carried_source(self, at: float) -> datetime | None:
        """What the remote clock should show at `at`, by the earlier answers; None where there is none."""
        return _extrapolate(self._anchor, at) if self._anchor else None

    def _accept(self, _at: float, answer: datetime) -> datetime:
        """The time to go by from this moment on, `_at` by the time since boot."""
        return answer


def _extrapolate(anchor: tuple[float, datetime], elapsed: float) -> datetime:
    return anchor[1] + timedelta(seconds=elapsed - anchor[0])


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One reading of the database's clock, with what is stored of the shared clock."""

    source: datetime
    """Its own clock; on SQLite the host's."""
    offset: timedelta = timedelta()
    """By how much the shared clock is ahead of that."""
    booted_at: datetime | None = None
    """When this host was booted, by the shared clock; None where no process has noted it since."""
    witness: datetime | None = None
    """The newest time by the shared clock at which any worker gave a sign of life."""

    @property
    def system(self) -> datetime:
        """The time of the shared clock, its correction included."""
        return self.source + self.offset


class SharedClock(Clock):
    """The shared clock as one process goes by it."""

    def __init__(self, read: Callable[[], ClockReading], elapsed: Callable[[], float] = boot_clock) -> None:
        super().__init__(self._read, elapsed)
        self._reading_of = read
        self._reading: ClockReading | None = None
        self.is_behind = False
        """The database does not show what this process goes by: a step, or a boot that is not noted yet."""

    def _read(self) -> datetime:
        self._reading = self._reading_of()
        return self._reading.system

    def _accept(self, at: float, answer: datetime) -> datetime:
        assert self._reading
        expected = self._expected_time(at, self._reading)
        stepped = expected is not None and has_stepped(self._reading, expected)
        noted = self._reading.booted_at
        self.is_behind = stepped or noted is None or abs(answer - _since_boot(noted, at)) > _DRIFT
        if not stepped or expected is None:
            return answer
        self._ask_at = at + ASK_AGAIN
        return expected

    def _expected_time(self, at: float, reading: ClockReading) -> datetime | None:
        """The time that the shared clock should show, by the stored values; None where nothing is stored."""
        if self._anchor:
            return _extrapolate(self._anchor, at)
        if reading.booted_at:
            return _since_boot(reading.booted_at, at)
        # No process lived through the reboot; time has gone on at least to where it was last seen.
        return reading.witness if reading.witness and reading.witness > reading.system else None

    def seconds_since_boot(self) -> float:
        """Seconds since this host was booted."""
        return self._elapsed()

    def correct(self) -> None:
        """The database shows what this process goes by, or has a reason not to: read it again."""
        self._ask_at = 0.0

    @property
    def offset(self) -> timedelta:
        """As it was last read."""
        return self._reading.offset if self._reading else timedelta()


_DRIFT = timedelta(seconds=1)
"""By so much may the noted time of a boot be wrong before it is noted anew."""


def _since_boot(booted_at: datetime, at: float) -> datetime:
    return booted_at + timedelta(seconds=at)


def has_stepped(reading: ClockReading, expected: datetime) -> bool:
    """Has the database's clock stepped, for a process that carried the shared clock to `expected`?

    Where a worker's sign of life agrees with what is read, others go by that, and it was this
    process's host that stood still.
    """
    if abs(reading.system - expected) <= SMALLEST_STEP:
        return False
    return reading.witness is None or abs(reading.witness - reading.system) > WITNESSED
