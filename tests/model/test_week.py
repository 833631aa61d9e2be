"""A week of failures, by a clock that is a variable: at its end nothing is dead, and everything is off."""

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
from tests.model.crew import Hand, Way
from tests.model.machine import Machine
from tests.model.stage import stage
from workers.broker import retry_log
from workers.broker.retry_log import BrokerRetries

WEEK = timedelta(days=7)
STEP = 600.0
"""Seconds between turns of a worker; a failed stop is tried again after 300 at most."""


def test_a_stop_that_fails_for_a_week(databases: Databases) -> None:
    with stage(databases, "sqlite") as here:
        machine = Machine(here)
        try:
            machine.somebody_works()
            machine._open("ada", "studio", ["forge", "mill"], 600.0)
            machine._hand(0, (), "nothing", machine._until_quiet)
            world, hand = machine.world, machine.hands[0]
            world.will_not_stop |= {"forge"}
            until, away = world.now + WEEK, world.now + WEEK / 2
            while world.now < until:
                # For half a day, its engine does not answer either.
                world.away = away <= world.now < away + WEEK / 14
                hand.tick()
                hand.look("studio")
                while hand.queued:
                    hand.work()
                world.spend(STEP)
            machine.what_must_hold_holds()
            (window,) = machine.plain.promises.values()
            tries = sum(key == ("studio", "forge") for _at, _action, key in world.made)

            assert tries > 800
            assert (window.state, world.alive(("studio", "mill"))) == (State.CLOSING, False)

            # After it, the stop works, and that is all it takes.
            world.will_not_stop.clear()
            world.spend(STEP)
            machine._follow_marks(0)
            for _ in range(3):
                hand.look("studio")
                while hand.queued:
                    hand.work()
            machine.record.moved()
            assert (window.state, world.alive(("studio", "forge"))) == (State.CLOSED, False)
            machine.everything_runs_again()
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
    """As with a full disk: what it needs cannot be written."""
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
    with stage(databases, "sqlite") as here, full_disk(here.ways) as disk:
        machine = Machine(here)
        try:
            machine.somebody_works()
            machine._open("ada", "studio", ["forge", "mill"], 600.0)
            machine._hand(0, (), "nothing", machine._until_quiet)
            world, hand = machine.world, machine.hands[0]
            world.will_not_stop |= {"forge"}
            began, at_rest = world.now, 0.0
            while world.now < began + WEEK:
                elapsed = (world.now - began).total_seconds()
                disk.full = WEEK.total_seconds() / 4 < elapsed < WEEK.total_seconds() * 3 / 4
                child.tick_until(elapsed)
                if elapsed >= at_rest:
                    at_rest = elapsed + broker.record_failure(OSError("READONLY"))
                _take_turn(hand)
                world.spend(STEP)
            assert disk.refusals > 400
            assert not world.alive(("studio", "mill"))

            world.will_not_stop.clear()
            child.disk_full = False
            child.tick_once()
            broker.record_success()
            world.spend(STEP)
            machine._follow_marks(0)
            for _ in range(3):
                _take_turn(hand)
            machine.record.moved()
            (window,) = machine.plain.promises.values()
            assert (window.state, world.alive(("studio", "forge"))) == (State.CLOSED, False)
            assert child.started == [child.now]
            machine.everything_runs_again()
        finally:
            machine.leave()


def _take_turn(hand: Hand) -> None:
    """Let a worker do what is due, whatever the database answers; its loops do the same."""
    for step in (hand.tick, partial(hand.look, "studio")):
        with suppress(DBAPIError):
            step()
    while hand.queued:
        hand.work()


@dataclass
class Disk:
    """Has room for nothing more while it is `full`; `refusals` counts the writes that met that."""

    full: bool = False
    refusals: int = 0

    def count(self, context: ExceptionContext) -> None:
        """Count an error of the database, if it is this one."""
        self.refusals += "is full" in str(context.original_exception)


@contextmanager
def full_disk(ways: Iterable[Way]) -> Iterator[Disk]:
    """Let SQLite's own limit on pages stand for a full disk, for every transaction of these ways."""
    disk = Disk()

    def limit(connection: Any, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if disk.full else 2**30
        connection.execute(f"PRAGMA max_page_count = {pages}")

    engines = [way.engine for way in ways]
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
        """Let the supervisor try again, each time that it is due before `end` seconds."""
        while (due := self._due()) < end:
            assert due > self.now
            self.tick_once()

    def tick_once(self) -> None:
        """Let the next try come."""
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
