"""What is saved: time off against always on, by what windows held."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.store import savings
from app.store.database import Database
from tests.system import System


@pytest.fixture
def house(database: Database) -> System:
    return System(database)


def saved(house: System, since: datetime, service: str) -> float:
    with house.database.read() as session:
        return savings.saved(session, since, house.now)[house.spec.name, service]


def test_what_nobody_holds_is_saved_whole_and_core_saves_nothing(house: System) -> None:
    began = house.now
    house.now += timedelta(hours=2)
    with house.database.read() as session:
        found = savings.saved(session, began, house.now)
    assert found[house.spec.name, "forge"] == 7200
    assert (house.spec.name, "redis") not in found


def test_time_held_by_two_windows_counts_once(house: System) -> None:
    began = house.now
    house.now += timedelta(seconds=100)
    first = house.open("forge")
    house.work()
    house.now += timedelta(seconds=50)
    second = house.open("forge")
    house.work()
    house.now += timedelta(seconds=50)
    house.close(first)
    house.work()
    house.now += timedelta(seconds=100)
    assert saved(house, began, "forge") == pytest.approx(100, abs=2)
    house.close(second)
    house.work()
    house.now += timedelta(seconds=300)
    assert saved(house, began, "forge") == pytest.approx(400, abs=2)


def test_periods_side_by_side_add_up_to_the_whole(house: System) -> None:
    began = house.now
    house.now += timedelta(seconds=10)
    window = house.open("forge")
    house.work()
    house.now += timedelta(seconds=30)
    middle = house.now
    house.now += timedelta(seconds=30)
    house.close(window)
    house.work()
    house.now += timedelta(seconds=10)
    with house.database.read() as session:
        first = savings.saved(session, began, middle)
        second = savings.saved(session, middle, house.now)
        whole = savings.saved(session, began, house.now)
    assert {key: first[key] + second[key] for key in whole} == pytest.approx(whole)


def test_spans_that_touch_are_one() -> None:
    at = datetime(2030, 1, 1)  # noqa: DTZ001
    hours = [at + timedelta(hours=number) for number in range(5)]
    assert savings.merged([(hours[3], hours[4]), (hours[0], hours[1]), (hours[1], hours[2])]) == [
        (hours[0], hours[2]),
        (hours[3], hours[4]),
    ]
