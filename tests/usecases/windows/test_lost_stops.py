"""Stops that are lost or not confirmed are made again; a pending stop is not forgotten."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Power
from app.usecases.reconciliation import calls
from app.usecases.windows import close as closing
from tests.system import System, WorkerKilled, names


def test_a_stop_that_was_lost_is_made_again(system: System) -> None:
    window = system.open("forge")
    system.dies_at = "stop forge"
    with pytest.raises(WorkerKilled):
        system.close(window)
    system.restart_worker()
    assert system.made == ["up forge", "stop forge", "stop forge"]
    assert system.state(window) == "closed"
    assert system.trail().count("call.lost") == 1


@pytest.mark.integration
def test_stops_that_are_lost_again_and_again_wait_ever_longer_and_get_stuck(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now)
    for _ in range(60):
        system.dies_at = "kill forge" if system.row("forge").failures else "stop forge"
        with contextlib.suppress(WorkerKilled):
            system.work()
        with system.database.write() as session:
            calls.record_lost_calls(session, "local", {"worker-1": True}, system.now)
        system.now += timedelta(seconds=1)
    assert system.made == ["up forge", "stop forge", "stop forge", "kill forge", "kill forge"]
    assert system.window(window).stuck

    system.dies_at = ""
    system.tick(300)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_an_off_is_not_confirmed_by_not_being_seen_alone(system: System) -> None:
    """A start that timed out may still come up: only a stop that returned 0 ends that."""
    system.times_out.add("forge")
    system.will_not_start.add("forge")
    window = system.open("forge")
    assert (system.status(window), system.state(window)) == ("fail", "closed")
    assert names(system.made, "stop") == ["forge"]
    assert not system.row("forge").stop_pending


def test_while_the_engine_is_away_nothing_is_confirmed(system: System) -> None:
    window = system.open("forge")
    system.away = True
    system.close(window)
    assert (system.state(window), system.power("forge")) == ("closing", Power.UNKNOWN)
    assert system.row("forge").stop_pending

    system.away = False
    system.tick(300)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_a_stop_that_returned_0_is_not_confirmed_while_the_engine_shows_nothing(system: System) -> None:
    """The start was cut off and may come up late; the stop found nothing to stop, and no look tells more."""
    system.times_out.add("forge")
    window = system.ask("forge")[0]
    system.attend_opening(window)
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now)
    system.attend_closing()
    assert system.made[-1] == "stop forge"

    system.away = True
    for _ in range(5):
        system.now += timedelta(seconds=60)
        system.look()
        assert (system.state(window), system.row("forge").stop_pending) == ("closing", True)

    system.away = False
    system.work()
    assert (system.state(window), system.row("forge").stop_pending) == ("closed", False)


@pytest.mark.integration
def test_unconfirmed_stops_are_repeated_with_backoff(system: System) -> None:
    window = system.open("forge")
    system.shows_nothing = True
    system.close(window)
    for _ in range(600):
        system.tick(1)
    assert 2 <= len(names(system.made, "stop")) <= 9
    assert (system.state(window), system.window(window).stuck) == ("closing", False)

    system.shows_nothing = False
    system.tick(1)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_an_engine_that_answers_again_is_asked_to_stop_at_once_and_gently(system: System) -> None:
    window = system.open("forge")
    system.away = True
    system.close(window)
    system.tick(11)
    assert system.row("forge").failures == 2

    system.away = False
    system.tick(1)
    assert (system.state(window), system.running()) == ("closed", {"redis"})
    assert system.made[-1] == "stop forge"


def test_an_owed_off_survives_the_window_the_worker_and_the_allowlist(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window, force=True)
    assert system.state(window) == "closed"

    without = {name: one for name, one in system.spec.services.items() if name != "forge"}
    system.publish(replace(system.spec, services=without, digest="another"))
    system.will_not_stop.clear()
    system.restart_worker()
    system.tick(600)
    assert (system.row("forge").stop_pending, system.running()) == (False, {"redis"})
