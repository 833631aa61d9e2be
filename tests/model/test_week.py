"""A week of failures on a simulated clock: at its end every loop still runs, and every service is off."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import ExceptionContext, event
from sqlalchemy.exc import DBAPIError

from app.domain.enums import State
from app.standalone import supervisor as supervisors
from tests.databases import Databases
from tests.model.environment import prepare_environment
from tests.model.machine import Machine
from tests.model.worker import ProcessDatabase, Worker
from workers.broker import retry_log
from workers.broker.retry_log import BrokerRetries

WEEK = timedelta(days=7)
STEP = 600.0
"""Seconds between turns of a worker; a failed stop is tried again after 300 at most."""


def test_a_stop_that_fails_for_a_week(databases: Databases) -> None:
    with prepare_environment(databases, "sqlite") as environment:
        machine = Machine(environment)
        try:
            machine.start_first_worker()
            machine.request_window("ada", "studio", ["forge", "mill"], 600.0)
            machine.run_worker(0, (), "nothing", machine.work_until_idle)
            world, worker = machine.world, machine.workers[0]
            world.will_not_stop |= {"forge"}
            until, away = world.now + WEEK, world.now + WEEK / 2
            while world.now < until:
                # For half a day, its engine does not answer either.
                world.away = away <= world.now < away + WEEK / 14
                worker.tick()
                worker.inspect("studio")
                worker.run_all_queued()
                world.advance(STEP)
            machine.check_after_step()
            (window,) = machine.expected.windows.values()
            tries = sum(key == ("studio", "forge") for _at, _action, key in world.made)

            assert tries > 800
            assert (window.state, world.is_alive(("studio", "mill"))) == (State.CLOSING, False)

            # Then the stop works, and the service is stopped without any other action.
            world.will_not_stop.clear()
            world.advance(STEP)
            machine.work_without_polls(0)
            for _ in range(3):
                worker.inspect("studio")
                worker.run_all_queued()
            machine.record.check_windows()
            assert (window.state, world.is_alive(("studio", "forge"))) == (State.CLOSED, False)
            machine.recover_and_check()
        finally:
            machine.leave()


def test_a_broker_that_fails_for_a_week(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(retry_log, "time", SimpleNamespace(monotonic=lambda: clock.now))
    caplog.set_level(logging.WARNING)
    broker, tries = BrokerRetries("the watch goes on"), 0

    while clock.now < WEEK.total_seconds():
        wait = broker.record_failure(OSError("READONLY You can't write against a read only replica"))
        assert 0.0 < wait <= retry_log.LONGEST_PAUSE
        clock.now += wait
        tries += 1

    assert tries > 100_000
    assert len(caplog.records) <= WEEK.total_seconds() / retry_log.REMIND + 10
    broker.record_success()
    assert broker.record_failure(OSError("gone")) == retry_log.FIRST_PAUSE


def test_a_child_that_cannot_be_started_for_a_week(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its files cannot be written, as on a full disk."""
    child = FailingChild(monkeypatch, tmp_path)

    child.tick_until(WEEK.total_seconds())
    assert (child.started, child.supervisor.seat("worker").failures) == ([], child.tries + 1)

    child.disk_full = False
    child.tick_once()
    assert child.started == [child.now]


def test_all_of_these_in_one_week(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stop, a child and the broker fail all week long, and the disk is full for half of it."""
    child, broker = FailingChild(monkeypatch, tmp_path), BrokerRetries("the watch goes on")
    with prepare_environment(databases, "sqlite") as environment, full_disk(environment.databases) as disk:
        machine = Machine(environment)
        try:
            machine.start_first_worker()
            machine.request_window("ada", "studio", ["forge", "mill"], 600.0)
            machine.run_worker(0, (), "nothing", machine.work_until_idle)
            world, worker = machine.world, machine.workers[0]
            world.will_not_stop |= {"forge"}
            began, is_at_rest = world.now, 0.0
            while world.now < began + WEEK:
                elapsed = (world.now - began).total_seconds()
                disk.full = WEEK.total_seconds() / 4 < elapsed < WEEK.total_seconds() * 3 / 4
                child.tick_until(elapsed)
                if elapsed >= is_at_rest:
                    is_at_rest = elapsed + broker.record_failure(OSError("READONLY"))
                _take_turn(worker)
                world.advance(STEP)
            assert disk.refusals > 400
            assert not world.is_alive(("studio", "mill"))

            world.will_not_stop.clear()
            child.disk_full = False
            child.tick_once()
            broker.record_success()
            world.advance(STEP)
            machine.work_without_polls(0)
            for _ in range(3):
                _take_turn(worker)
            machine.record.check_windows()
            (window,) = machine.expected.windows.values()
            assert (window.state, world.is_alive(("studio", "forge"))) == (State.CLOSED, False)
            assert child.started == [child.now]
            machine.recover_and_check()
        finally:
            machine.leave()


def _take_turn(worker: Worker) -> None:
    """Let a worker do what is due, and ignore errors of the database, as its loops do."""
    for step in (worker.tick, partial(worker.inspect, "studio")):
        with suppress(DBAPIError):
            step()
    worker.run_all_queued()


@dataclass
class Disk:
    """A disk that refuses writes while it is `full`; `refusals` counts them."""

    full: bool = False
    refusals: int = 0

    def count(self, context: ExceptionContext) -> None:
        """Count an error of the database, if it is this one."""
        self.refusals += "is full" in str(context.original_exception)


@contextmanager
def full_disk(databases: Iterable[ProcessDatabase]) -> Iterator[Disk]:
    """Make every write of these databases fail by SQLite's page limit, as on a full disk."""
    disk = Disk()

    def limit(connection: Any, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if disk.full else 2**30
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engines = [one.engine for one in databases]
    for engine in engines:
        event.listen(engine, "checkout", limit)
        event.listen(engine, "handle_error", disk.count)
    try:
        yield disk
    finally:
        disk.full = False
        for engine in engines:
            event.remove(engine, "checkout", limit)
            event.remove(engine, "handle_error", disk.count)


class FailingChild:
    """A supervisor with one child, `worker`, whose start fails while its disk is full; the clock is `now`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.now, self.disk_full, self.tries = 0.0, True, 0
        self.started: list[float] = []
        monkeypatch.setattr(supervisors, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(supervisors, "spawn_child", self._spawn)
        child = SimpleNamespace(name="worker", wave=0, before=self._before, log=directory / "log")
        quiet = SimpleNamespace(bad=lambda *_: None, good=lambda *_: None, add=lambda *_: None)
        self.supervisor = supervisors.Supervisor([child], quiet, quiet, SimpleNamespace())  # type: ignore[list-item, arg-type]
        self.supervisor.start("worker")

    def tick_until(self, end: float) -> None:
        """Let the supervisor make every retry that is due before `end` seconds."""
        while (due := self._due()) < end:
            assert due > self.now
            self.tick_once()

    def tick_once(self) -> None:
        """Advance the clock to the next retry, and make it."""
        self.now, self.tries = max(self.now, self._due()), self.tries + 1
        self.supervisor.tick()

    def _due(self) -> float:
        due = self.supervisor.seat("worker").due
        assert due is not None
        return due

    def _before(self, _failures: int) -> None:
        if self.disk_full:
            raise OSError(28, "No space left on device")

    def _spawn(self, _child: object) -> SimpleNamespace:
        self.started.append(self.now)
        return SimpleNamespace(pid=2**22 + 7)
