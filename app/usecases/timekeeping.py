"""Keep the shared clock steady: a step of the database's clock is corrected once and recorded.

Every process computes the shared clock itself (`app.store.clock`). A worker and beat also store their
offset, so that a process that starts later uses the same one. While no window is open and no stop is
pending, the shared clock moves back to the database's, one second at a time.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.store import audit, clock_offset, workers
from app.store.clock import has_stepped
from app.store.database import Database
from app.store.tables import ClockOffset
from app.usecases.windows.transitions import SYSTEM_ACTOR

log = logging.getLogger(__name__)

SETTLE_EVERY = 15.0
"""Seconds between moves of the shared clock towards the database's."""
SETTLE_BY = 1.0
"""Seconds of each such move: little enough to be followed like any small correction."""


class Timekeeper:
    """Keeps the stored clock correct. A process has one if it is long-lived and may write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settle_at = database.clock.seconds_since_boot() + SETTLE_EVERY

    def tend(self) -> None:
        """Store a step or an offset that the clock has found, if any. Raises what the store raises."""
        database = self._database
        database.now()
        if database.clock.is_behind:
            correct(database)
        elif database.clock.offset and self._database.clock.seconds_since_boot() >= self._settle_at:
            self._settle_at = self._database.clock.seconds_since_boot() + SETTLE_EVERY
            settle(database)


def correct(database: Database) -> None:
    """Store this process's offset, and the boot time of its host by the shared clock.

    If the database's clock has stepped and no process has corrected that yet, the offset changes, and one
    audit entry records the step.
    """
    step = timedelta()
    with database.write() as session:
        expected = database.extrapolate() or database.now()
        row = clock_offset.lock_offset(session, expected)
        reading = database.reading(session)
        if has_stepped(reading, expected):
            step = reading.system - expected
            row.offset_sec -= step.total_seconds()
            row.changed_at = expected
            audit.record(
                session,
                Event.CLOCK_STEPPED,
                actor=SYSTEM_ACTOR,
                now=expected,
                step_sec=round(step.total_seconds(), 3),
                offset_sec=round(row.offset_sec, 3),
            )
        _note_boot(session, database, row)
    database.clock.correct()
    if step:
        log.warning(
            "the database's clock has stepped by %+.0f s; windows keep their length, and times on record are "
            "%+.0f s from that clock until nothing is open and no stop is pending",
            step.total_seconds(),
            row.offset_sec,
        )


def _note_boot(session: Session, database: Database, row: ClockOffset) -> None:
    """A process that begins later on this host carries the shared clock on from here."""
    system = database.reading(session).source + timedelta(seconds=row.offset_sec)
    booted_at = system - timedelta(seconds=database.clock.seconds_since_boot())
    clock_offset.note_boot(session, database.boot, booted_at, system)


def settle(database: Database) -> None:
    """Lead the shared clock a little nearer to the database's, if nothing goes by it."""
    with database.read() as session:
        if not clock_offset.is_idle(session):
            return
    with database.write() as session:
        now = database.now()
        row = clock_offset.lock_offset(session, now)
        # Others may be at it, too; the shared clock itself has moved by a second since.
        moved = (now - row.changed_at).total_seconds() < SETTLE_EVERY - 2 * SETTLE_BY
        if clock_offset.is_idle(session) and not moved:
            row.offset_sec -= max(-SETTLE_BY, min(SETTLE_BY, row.offset_sec))
            row.changed_at = now
            _note_boot(session, database, row)
    database.clock.correct()


def reset_clock(database: Database) -> None:
    """Set the shared clock by the database's, where no worker runs, nothing is open and no stop is pending.

    A stored time that is then in the future counts as now. Processes that have read the clock before,
    this one included, do not follow the change: call this before any other process is started.
    """
    with database.read() as session:
        if not clock_offset.offset(session):
            return
    with database.write() as session:
        now = database.now()
        row = clock_offset.lock_offset(session, now)
        there = any(sign.live(now) for sign in workers.signs(session))
        if there or not clock_offset.is_idle(session):
            return
        log.warning(
            "the shared clock was %+.0f s from the database's, and is set by it again", row.offset_sec
        )
        fresh = now - timedelta(seconds=row.offset_sec)
        row.offset_sec, row.changed_at = 0.0, fresh
        clock_offset.nothing_after(session, fresh)
