"""The database's clock is set while windows are open: every process goes on as before, one says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.enums import State
from app.domain.nodes import AWAY_AFTER
from app.domain.stack_id import StackId
from app.store import audit, services, windows, workers
from app.store.clock import ANCHOR_FOR
from app.store.database import Database
from app.store.tables import Boot, ClockOffset, IdempotencyKey, Notice, Service, Window
from app.usecases import timekeeping
from app.usecases.nodes import claims, published_stacks
from app.usecases.timekeeping import SETTLE_EVERY, Timekeeper
from app.usecases.windows import open as opening
from tests.simultaneous import together
from tests.system import studio
from tests.usecases.clock_host import HOURS, NOON, Host, alive, opened, state, steps, tend


@pytest.fixture
def host(database_url: str) -> Iterator[Host]:
    host = Host(database_url)
    yield host
    host.open.close()


@pytest.fixture
def worker(host: Host) -> Database:
    database = host.process()
    with database.write() as session:
        published_stacks.publish_stack(session, studio(), database.now())
    tend(database)
    return database


@pytest.mark.integration
@pytest.mark.parametrize("step", [-HOURS, HOURS, timedelta(days=-9000), timedelta(days=9000)])
def test_a_window_lives_its_length_whatever_the_clock_on_the_wall_does(
    host: Host, worker: Database, step: timedelta
) -> None:
    web = host.process()
    window = opened(web, 600)

    host.wall += step
    for _ in range(20):
        host.pass_by(29)
        tend(worker)
        assert [state(one, window) for one in (worker, web, host.process())] == ["opening"] * 3
    host.pass_by(21)

    assert state(worker, window) == "closing"
    (step_facts,) = steps(worker)
    assert step_facts["step_sec"] == step.total_seconds()
    assert step_facts["offset_sec"] == -step.total_seconds()


@pytest.mark.parametrize("step", [-59.0, 59.0])
def test_a_small_step_is_followed(host: Host, worker: Database, step: float) -> None:
    host.wall += timedelta(seconds=step)
    host.pass_by(ANCHOR_FOR)
    tend(worker)
    assert worker.now() == host.wall
    assert steps(worker) == []


def test_many_small_steps_are_followed_and_never_recorded(host: Host, worker: Database) -> None:
    for _ in range(10):
        host.wall -= timedelta(seconds=30)
        host.pass_by(ANCHOR_FOR)
        tend(worker)
    assert host.process().now() == worker.now() == host.wall
    assert steps(worker) == []


def test_until_it_is_corrected_no_process_uses_the_new_time(host: Host, worker: Database) -> None:
    web, before = host.process(), worker.now()
    web.now()
    host.wall -= HOURS
    for _ in range(5):
        host.pass_by(20)
        assert web.now() == worker.now() == host.process().now() == before + timedelta(seconds=20 * (_ + 1))
    assert steps(web) == []


def test_of_many_processes_exactly_one_corrects_it(host: Host, worker: Database) -> None:
    crowd = [worker, *(host.process() for _ in range(5))]
    for one in crowd:
        one.now()
    host.wall += HOURS
    host.pass_by(20)

    together(len(crowd), lambda number: tend(crowd[number]))

    host.pass_by(20)
    assert len(steps(worker)) == 1
    assert {one.now() for one in crowd} == {NOON + timedelta(seconds=40)}


def test_a_step_while_nothing_ran_is_noticed_by_the_next_process_of_that_boot(
    host: Host, worker: Database
) -> None:
    window = opened(worker, 600)
    worker.close()
    host.wall += HOURS
    host.pass_by(300)

    later = host.process()

    assert state(later, window) == "opening"
    tend(later)
    assert len(steps(later)) == 1
    host.pass_by(301)
    assert state(host.process(), window) == "closing"


def test_time_in_which_the_host_slept_counts(host: Host, worker: Database) -> None:
    """The clock that every process goes by counts on while the host is suspended."""
    window = opened(worker, 600)
    host.pass_by(700)
    assert state(worker, window) == "closing"
    assert steps(worker) == []


def test_a_boot_in_the_past_is_no_earlier_than_what_was_seen_and_ntp_then_cuts_nothing(
    host: Host, worker: Database
) -> None:
    window = opened(worker, 600)
    host.pass_by(100)
    alive(worker)
    host.reboot(NOON - timedelta(days=3))

    booted = host.process()
    assert state(booted, window) == "opening"
    assert booted.now() == NOON + timedelta(seconds=100)
    tend(booted)
    host.pass_by(5)
    host.wall = NOON + timedelta(seconds=200)
    host.pass_by(20)
    tend(booted)

    assert [one["step_sec"] < 0 for one in steps(booted)] == [True, False]
    assert state(booted, window) == "opening"
    host.pass_by(480)
    assert state(booted, window) == "closing"


def test_after_a_boot_by_a_right_clock_what_came_due_meanwhile_is_over(host: Host, worker: Database) -> None:
    window = opened(worker, 600)
    alive(worker)
    host.reboot(NOON + timedelta(seconds=700))
    assert state(host.process(), window) == "closing"


def test_two_steps_are_two_entries_and_the_second_may_undo_the_first(host: Host, worker: Database) -> None:
    for step in (HOURS, -HOURS):
        host.wall += step
        host.pass_by(20)
        tend(worker)
    assert [one["offset_sec"] for one in steps(worker)] == [-7200, 0]
    assert worker.now() == host.wall


def test_no_worker_is_declared_dead_and_no_key_is_forgotten(host: Host, worker: Database) -> None:
    web = host.process()
    alive(worker)
    with worker.write() as session:
        session.add(IdempotencyKey(token="ada", key="k", body="b", window_id="w", created_at=worker.now()))
    for step in (3 * HOURS, -5 * HOURS, timedelta(days=2)):
        host.wall += step
        host.pass_by(10)
        with web.read() as session:
            signs = workers.signs(session)
        assert all(sign.live(web.now()) for sign in signs)
        assert web.now() - signs[0].seen_at < AWAY_AFTER
        tend(worker)
        alive(worker)
    with worker.write() as session:
        windows.forget_keys(session, worker.now() - opening.KEY_LIFETIME)
        assert windows.key(session, "ada", "k")


def test_a_failed_stop_is_tried_again_when_it_would_have_been(host: Host, worker: Database) -> None:
    opened(worker, 600)
    with worker.write() as session:
        services.of(session, StackId("studio"))["forge"].retry_at = worker.now() + timedelta(seconds=40)
    host.wall -= HOURS
    host.pass_by(41)
    with worker.read() as session:
        retry_at = session.get_one(Service, ("studio", "forge")).retry_at
    assert retry_at
    assert retry_at < worker.now()


def test_a_host_that_stood_still_follows_the_others(host: Host, worker: Database) -> None:
    """Its virtual machine was paused: it is behind, and a worker elsewhere says so by its sign of life."""
    paused = Host(host.url)
    paused.boot = "another"
    elsewhere = paused.process()
    assert elsewhere.now() == NOON
    host.pass_by(7200)
    alive(worker)
    paused.wall, paused.up = host.wall, paused.up + 20

    tend(elsewhere)

    assert elsewhere.now() == paused.wall
    assert steps(worker) == []
    paused.open.close()


def test_what_nothing_goes_by_is_led_back_a_second_at_a_time(host: Host, worker: Database) -> None:
    host.wall -= timedelta(seconds=70)
    host.pass_by(20)
    keeper = Timekeeper(worker)
    keeper.tend()
    window = opened(worker, 600)
    for _ in range(10):
        host.pass_by(SETTLE_EVERY)
        keeper.tend()
    assert worker.clock.offset == timedelta(seconds=70)
    with worker.write() as session:
        session.get_one(Window, window).state = State.CLOSED
        services.of(session, StackId("studio"))["forge"].stop_pending = False
    before = worker.now()

    for _ in range(80):
        host.pass_by(SETTLE_EVERY + 1)
        keeper.tend()
        assert timedelta() < worker.now() - before < timedelta(seconds=20)
        before = worker.now()

    assert worker.now() == host.process().now() == host.wall
    assert len(steps(worker)) == 1


@pytest.mark.parametrize("step", [HOURS, -HOURS])
def test_a_start_with_nothing_open_resets_the_shared_clock(
    host: Host, worker: Database, step: timedelta
) -> None:
    host.wall += step
    host.pass_by(20)
    tend(worker)
    alive(worker)
    with worker.write() as session:
        session.add(_notice(worker.now() + timedelta(seconds=5)))
        services.ensure(session, StackId("studio"), {"forge": studio().services["forge"].role})
        services.of(session, StackId("studio"))["forge"].observed_at = worker.now()
        claims.leave(session, "w1")

    first = host.process()
    timekeeping.reset_clock(first)

    later = host.process()
    assert later.now() == host.wall
    with later.read() as session:
        assert session.scalars(select(Boot)).all() == []
        observed_at = session.get_one(Service, ("studio", "forge")).observed_at
        assert observed_at
        assert observed_at <= later.now()
        assert session.get_one(Notice, "n").next_at <= later.now()


def _notice(at: datetime) -> Notice:
    row = {"node": "local", "sink": "ops", "key": "k", "event": "window.stuck", "stack": "studio"}
    return Notice(id="n", **row, body={}, next_at=at, created_at=at)


def test_a_start_with_an_open_window_or_a_worker_keeps_the_shared_clock(host: Host, worker: Database) -> None:
    host.wall += HOURS
    host.pass_by(20)
    tend(worker)
    opened(worker, 600)
    timekeeping.reset_clock(worker)
    with worker.read() as session:
        assert session.get_one(ClockOffset, "house").offset_sec == -7200


def test_the_trail_stays_whole(host: Host, worker: Database) -> None:
    host.wall -= HOURS
    host.pass_by(20)
    tend(worker)
    opened(worker, 600)
    with worker.read() as session:
        assert all(proof.ok for proof in audit.verify(session))


def test_a_database_that_is_away_is_corrected_when_it_is_back(host: Host, worker: Database) -> None:
    window = opened(worker, 600)
    host.wall -= HOURS
    host.pass_by(20)
    carried = worker.extrapolate()
    assert carried == worker.now() == NOON + timedelta(seconds=20)
    host.pass_by(581)
    assert state(worker, window) == "closing"
