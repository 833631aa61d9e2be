"""Room for so many at once, opening and closing apart."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from app.store.database import Database
from workers.engine import Engine
from workers.identity import Identity
from workers.lanes import CLOSING, OPENING, Lane
from workers.station import Station


def test_a_full_lane_turns_away_and_does_not_wait() -> None:
    lane = Lane(2)
    with lane.entered() as first, lane.entered() as second, lane.entered() as third:
        assert (first, second, third) == (True, True, False)

    with lane.entered() as again:
        assert again


def test_one_that_breaks_gives_its_room_back() -> None:
    lane = Lane(1)
    try:
        with lane.entered():
            raise RuntimeError
    except RuntimeError:
        pass

    with lane.entered() as room:
        assert room


def test_closing_has_room_however_many_open(tmp_path: Path) -> None:
    database, engine = Database(f"sqlite:///{tmp_path / 'power.db'}"), Engine()
    station = Station(database, engine, Identity(tmp_path, "local"), "local", tmp_path)
    with ExitStack() as busy:
        assert all(busy.enter_context(station.opening.entered()) for _ in range(OPENING))
        with station.opening.entered() as one_more, station.closing.entered() as closing:
            assert (one_more, closing) == (False, True)
    engine.close()
    database.close()


def test_the_pool_has_threads_left_for_the_sweep() -> None:
    import celeryconfig

    assert celeryconfig.worker_concurrency > OPENING + CLOSING
