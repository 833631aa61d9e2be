"""What is saved: time off against always on, by what windows held."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.store import savings
from app.store.database import Database
from tests.system import System


@pytest.fixture
def system(database: Database) -> System:
    return System(database)


def saved(system: System, since: datetime, service: str) -> float:
    with system.database.read() as session:
        return savings.saved_seconds(session, since, system.now)[system.spec.name, service]


def test_unheld_time_is_saved_whole_and_core_saves_nothing(system: System) -> None:
    began = system.now
    system.now += timedelta(hours=2)
    with system.database.read() as session:
        saved = savings.saved_seconds(session, began, system.now)
    assert saved[system.spec.name, "forge"] == 7200
    assert (system.spec.name, "redis") not in saved


def test_time_held_by_two_windows_counts_once(system: System) -> None:
    began = system.now
    system.now += timedelta(seconds=100)
    first = system.open("forge")
    system.work()
    system.now += timedelta(seconds=50)
    second = system.open("forge")
    system.work()
    system.now += timedelta(seconds=50)
    system.close(first)
    system.work()
    system.now += timedelta(seconds=100)
    assert saved(system, began, "forge") == pytest.approx(100, abs=2)
    system.close(second)
    system.work()
    system.now += timedelta(seconds=300)
    assert saved(system, began, "forge") == pytest.approx(400, abs=2)


def test_periods_side_by_side_add_up_to_the_whole(system: System) -> None:
    began = system.now
    system.now += timedelta(seconds=10)
    window = system.open("forge")
    system.work()
    system.now += timedelta(seconds=30)
    middle = system.now
    system.now += timedelta(seconds=30)
    system.close(window)
    system.work()
    system.now += timedelta(seconds=10)
    with system.database.read() as session:
        first = savings.saved_seconds(session, began, middle)
        second = savings.saved_seconds(session, middle, system.now)
        whole = savings.saved_seconds(session, began, system.now)
    assert {key: first[key] + second[key] for key in whole} == pytest.approx(whole)


def test_spans_that_touch_are_one() -> None:
    at = datetime(2030, 1, 1)  # noqa: DTZ001
    hours = [at + timedelta(hours=number) for number in range(5)]
    assert savings.merge_spans([(hours[3], hours[4]), (hours[0], hours[1]), (hours[1], hours[2])]) == [
        (hours[0], hours[2]),
        (hours[3], hours[4]),
    ]


@pytest.mark.parametrize("days", [1, 10, 40])
def test_seconds_by_period_are_those_of_each_period_alone(system: System, days: int) -> None:
    """Windows end before, at and after the ends of periods, and one is still open."""
    began = system.now
    for number in range(4):
        window = system.open("forge", ttl=1800.0)
        system.work()
        system.tick(1000 + 700 * number)
        if number < 3:
            system.close(window)
            system.work()
        system.tick(900)
    bounds = [began + timedelta(seconds=step) for step in (0, 500, 1000, 2300, 2300 + days, 5000)]
    bounds.append(system.now)
    with system.database.read() as session:
        held = savings.held_seconds(session, bounds)
        spans = [savings.held_spans(session, *pair) for pair in pairwise(bounds)]
        saved = savings.savings_by_period(session, bounds, held)
    alone = [one.get((system.spec.name, "forge"), []) for one in spans]
    expected = [sum((until - since).total_seconds() for since, until in one) for one in alone]
    assert held[system.spec.name, "forge"] == pytest.approx(expected)
    assert sum(expected) > 3000
    whole = [(until - since).total_seconds() for since, until in pairwise(bounds)]
    off = [one.off for one in saved[system.spec.name, "forge"]]
    assert off == pytest.approx([length - on for length, on in zip(whole, expected, strict=True)])
    assert [one.off for one in saved[system.spec.name, "mill"]] == pytest.approx(whole)
