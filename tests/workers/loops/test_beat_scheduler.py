"""Beat sleeps until the next deadline and sends the sweep on the stroke."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.beat import PersistentScheduler, SchedulingError
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.domain.enums import Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.store.database import Database
from app.store.tables import Window
from app.usecases.nodes import published_stacks
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.databases import Databases
from workers.celery import app
from workers.loops.beat_scheduler import SETTLED, DeadlineScheduler

STUDIO = StackSpec(StackId("studio"), "studio", "local", {"forge": ServiceSpec("forge", Role.ALLOWED)})


class Beat(DeadlineScheduler):
    """Remembers what it would have sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[str] = []
        super().__init__(*args, **kwargs)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> None:
        self.sent.append(entry.task)

    @property
    def producer(self) -> None:  # type: ignore[override]
        return None

    def strike(self) -> float:
        """What comes of the deadlines alone, without the regular beat."""
        self.sent.clear()
        return self._stroke()


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    database = Database(databases.migrated("sqlite"))
    with database.write() as session:
        published_stacks.publish_stack(session, STUDIO, database.now())
    yield database
    database.close()


@pytest.fixture
def beat(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beat]:
    monkeypatch.setenv("POWER_DATABASE_URL", str(database.url))
    beat = Beat(app, max_interval=1, lazy=False)
    yield beat
    beat.close()
    beat.database.close()


def window(database: Database, ttl: float) -> str:
    with database.write() as session:
        return opening.open_window(
            session, OpenRequest(["forge"], ttl_sec=ttl), actor="ada", now=database.now()
        )[0].id


def pass_by(database: Database, seconds: float) -> None:
    """Move every deadline into the past, as time would."""
    with database.write() as session:
        session.execute(update(Window).values(deadline=database.now() - timedelta(seconds=seconds)))


def tick(beat: Beat) -> float:
    """A tick at which everything is due and may be tried."""
    beat._heap, beat.try_at = None, 0.0
    for entry in beat.schedule.values():
        entry.last_run_at = beat.app.now() - timedelta(minutes=2)
    return beat.tick()


def test_without_a_window_it_looks_again_in_a_second(beat: Beat) -> None:
    assert beat.strike() == 1.0
    assert beat.sent == []


def test_it_sleeps_until_the_next_deadline(beat: Beat, database: Database) -> None:
    window(database, 600)
    window(database, 60)

    assert 50 < beat.strike() <= 60
    assert beat.sent == []
    assert beat.tick() <= 1.0


def test_a_deadline_is_swept_for_once(beat: Beat, database: Database) -> None:
    window(database, 60)
    pass_by(database, 0.001)

    assert (beat.strike(), beat.sent) == (SETTLED, ["power.sweep"])
    assert (beat.strike(), beat.sent) == (SETTLED, [])


def test_a_later_deadline_is_swept_for_again(beat: Beat, database: Database) -> None:
    window(database, 60)
    pass_by(database, 5)
    beat.strike()
    pass_by(database, 1)

    beat.strike()

    assert beat.sent == ["power.sweep"]


def test_a_database_that_is_away_leaves_the_regular_beat(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, OSError("away"))

    monkeypatch.setattr(beat.database, "read", away)

    assert all(SETTLED <= beat.tick() <= 1.0 for _ in range(100))
    assert caplog.text.count("deadlines cannot be read") == 1
    assert {"sweep", "resync"} <= beat.schedule.keys()


def test_a_message_that_is_not_sent_is_tried_again_and_ends_nothing(
    beat: Beat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise SchedulingError("Couldn't apply scheduled task sweep: NOREPLICAS Not enough good replicas")

    with monkeypatch.context() as broken:
        broken.setattr(beat, "apply_async", refuse)
        waits = [tick(beat) for _ in range(100)]

    assert all(0 <= wait <= 1.0 for wait in waits)
    assert caplog.text.count("NOREPLICAS") == 1

    tick(beat)
    beat.tick()
    assert set(beat.sent) == {"power.sweep", "power.resync"}


def test_a_sweep_that_is_not_sent_at_its_deadline_is_sent_later(
    beat: Beat, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    window(database, 60)
    pass_by(database, 1)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise SchedulingError("OOM command not allowed")

    with monkeypatch.context() as broken:
        broken.setattr(beat, "apply_async", refuse)
        with pytest.raises(SchedulingError):
            beat.strike()

    assert (beat.strike(), beat.sent) == (SETTLED, ["power.sweep"])


def test_it_keeps_nothing_on_disk(beat: Beat) -> None:
    assert not isinstance(beat, PersistentScheduler)


@pytest.mark.parametrize("hours", [2, 24 * 9000])
def test_a_clock_that_was_set_back_delays_the_regular_beat_by_nothing(beat: Beat, hours: float) -> None:
    """Celery would wait until the time of its last message has come once more."""
    beat.tick()
    for entry in beat.schedule.values():
        entry.last_run_at = beat.app.now() + timedelta(hours=hours)
    beat.sent.clear()

    assert beat.tick() <= 1.0
    now = beat.app.now()
    assert all(entry.last_run_at and entry.last_run_at <= now for entry in beat.schedule.values())
    for entry in beat.schedule.values():
        entry.last_run_at = now - timedelta(seconds=61)
    beat._heap = None
    while beat.tick() == 0:
        pass
    assert {"power.sweep", "power.resync"} <= set(beat.sent)
