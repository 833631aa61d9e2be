"""The engine's clock is set: how long its containers have been running does not change by that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.enums import Power
from app.domain.planning import ServiceSpec
from app.domain.readiness import Container, judge
from app.store.clock import ANCHOR_FOR
from workers.engine.clock import EngineClock

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


class Engine:
    def __init__(self) -> None:
        self.time, self.up, self.delay = NOON, 1000.0, 0.0
        self.clock = self.watched()

    def watched(self) -> EngineClock:
        """The clock of a process that has just begun."""
        clock = EngineClock(self.ask, lambda: self.up, away=(OSError,))
        clock.now()
        return clock

    def ask(self) -> datetime:
        """What the engine's clock shows before its answer is delayed."""
        answer = self.time
        self.pass_by(self.delay)
        return answer

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.up += seconds

    def start(self, name: str = "c1", **more: object) -> Container:
        return Container(name, "forge", "running", started_at=self.time, created_at=self.time, **more)  # type: ignore[arg-type]

    def power(self, container: Container, *, stable_for: float = 5.0) -> Power:
        now = self.clock.now()
        spec = ServiceSpec("forge", stable_for=stable_for, ready_timeout=60.0)
        return judge(spec, [self.clock.to_host_time(container)], wanted=True, now=now).power


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_service_that_is_starting_is_ready_when_it_would_have_been(engine: Engine, hours: int) -> None:
    plain, checked = engine.start(), engine.start("c2", health="starting")
    assert engine.power(plain, stable_for=20) == engine.power(checked) == Power.STARTING

    engine.time += timedelta(hours=hours)
    engine.pass_by(ANCHOR_FOR + 1)

    assert engine.power(plain, stable_for=20) == engine.power(checked) == Power.STARTING
    engine.pass_by(5)
    assert engine.power(plain, stable_for=20) == Power.ON
    engine.pass_by(40)
    assert engine.power(checked) == Power.FAILING


@pytest.mark.parametrize("hours", [-2, 2])
def test_what_starts_after_a_step_is_as_old_as_it_is(engine: Engine, hours: int) -> None:
    engine.time += timedelta(hours=hours)
    engine.pass_by(ANCHOR_FOR + 1)
    engine.clock.now()
    engine.pass_by(3)
    container = engine.start(health="starting")
    engine.pass_by(2)
    assert engine.power(container) == Power.STARTING
    engine.pass_by(60)
    assert engine.power(container) == Power.FAILING


def test_what_ran_before_a_step_back_and_is_seen_first_after_it_is_not_new_for_hours(engine: Engine) -> None:
    container = engine.start()
    engine.pass_by(600)
    engine.time -= timedelta(hours=2)
    engine.pass_by(ANCHOR_FOR + 1)
    assert engine.power(container) == Power.ON


def test_a_worker_that_begins_after_a_step_back_waits_no_hours_either(engine: Engine) -> None:
    container = engine.start()
    engine.time -= timedelta(hours=2)
    engine.clock = engine.watched()
    assert engine.power(container) == Power.STARTING
    engine.pass_by(8)
    assert engine.power(container) == Power.ON


def test_two_steps_leave_every_age_as_it_was(engine: Engine) -> None:
    container = engine.start()
    engine.power(container)
    for hours in (3, -1):
        engine.time += timedelta(hours=hours)
        engine.pass_by(ANCHOR_FOR + 1)
        engine.clock.now()
    placed = engine.clock.to_host_time(container)
    assert placed.started_at
    assert engine.clock.now() - placed.started_at == timedelta(seconds=2 * (ANCHOR_FOR + 1))


def test_a_small_step_is_followed(engine: Engine) -> None:
    engine.time -= timedelta(seconds=30)
    engine.pass_by(ANCHOR_FOR + 1)
    assert engine.clock.now() == engine.time


@pytest.mark.parametrize("hours", [-2, 2])
def test_what_the_engine_dated_before_and_after_a_step_is_found_by_our_time(
    engine: Engine, hours: int
) -> None:
    engine.pass_by(60)
    before = engine.clock.now()
    engine.time += timedelta(hours=hours)
    engine.pass_by(ANCHOR_FOR + 1)
    after = engine.clock.now()
    assert engine.clock.own_time(before) == NOON + timedelta(seconds=60)
    assert engine.clock.own_time(after) == engine.time


@pytest.mark.parametrize("hours", [0, -2, 2])
def test_a_slow_answer_moves_no_container(engine: Engine, hours: int) -> None:
    engine.time += timedelta(hours=hours)
    engine.pass_by(ANCHOR_FOR + 1)
    engine.clock.now()
    before = engine.clock.now() - engine.time
    engine.pass_by(ANCHOR_FOR + 1)
    engine.delay = 10.0
    assert engine.clock.now() - engine.time == before
