"""A week of failures, by a clock that is a variable: at its end nothing is dead, and everything is off."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.enums import State
from app.standalone import supervisor as supervisors
from tests.databases import Databases
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
    clock, full = SimpleNamespace(now=0.0), SimpleNamespace(disk=True)
    monkeypatch.setattr(supervisors, "time", SimpleNamespace(monotonic=lambda: clock.now))
    started: list[float] = []

    def before(_failures: int) -> None:
        if full.disk:
            raise OSError(28, "No space left on device")

    def spawn(_child: object) -> SimpleNamespace:
        started.append(clock.now)
        return SimpleNamespace(pid=2**22 + 7)

    monkeypatch.setattr(supervisors, "_spawn", spawn)
    child, quiet = (
        SimpleNamespace(name="worker", wave=0, before=before, log=tmp_path / "log"),
        lambda *_: None,
    )
    voice = SimpleNamespace(bad=quiet, good=quiet)
    found = supervisors.Supervisor([child], SimpleNamespace(add=quiet), voice, SimpleNamespace())  # type: ignore[list-item, arg-type]
    monkeypatch.setattr(found, "_reap_orphans", lambda: None)
    monkeypatch.setattr(found, "_look_at_logs", lambda: None)
    seat, tries = found._seats["worker"], 0

    found.start("worker")
    while clock.now < WEEK.total_seconds():
        assert seat.due is not None
        assert seat.due > clock.now
        clock.now, tries = seat.due, tries + 1
        found.tick()
    assert (started, seat.failures, found._troubles) == ([], tries + 1, {})

    full.disk = False
    clock.now = seat.due or clock.now
    found.tick()
    assert started == [clock.now]
