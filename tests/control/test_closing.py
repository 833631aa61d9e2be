"""Closing: what refuses to stop stays on record and is tried again; force lets go; nothing is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import control
from app.domain.words import Power
from tests.house import House, WorkerKilled, names


def test_closing_twice_is_closing_once(house: House) -> None:
    window = house.open("forge")
    house.close(window)
    before = house.trail()
    house.close(window)
    house.close(window, force=True)
    assert house.trail() == before


def test_a_service_that_would_not_stop_is_killed_and_tried_again_ever_later(house: House) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window)
    assert (house.state(window), house.made) == ("closing", ["up forge", "stop forge"])

    house.tick(9)
    assert house.made == ["up forge", "stop forge"]
    house.tick(2)
    assert house.made[2:] == ["kill forge"]
    house.tick(19)
    assert house.made[2:] == ["kill forge"]
    assert not house.window(window).stuck
    house.tick(2)
    assert house.made[2:] == ["kill forge"] * 2
    assert house.window(window).stuck
    assert house.trail().count("window.stuck") == 1

    house.tick(3600)
    house.tick(3600)
    assert house.row("forge").retry_at
    assert house.trail().count("window.stuck") == 1

    house.will_not_stop.clear()
    house.tick(300)
    assert (house.state(window), house.window(window).stuck) == ("closed", False)
    assert (house.row("forge").owed, house.row("forge").failures) == (False, 0)


def test_one_that_would_not_stop_does_not_keep_the_others_on(house: House) -> None:
    house.will_not_stop.add("api")
    window = house.open("api", "forge")
    house.heal("db")
    house.close(window)
    house.tick(11)
    assert house.running() == {"redis", "api"}
    assert house.state(window) == "closing"


def test_force_kills_and_lets_the_window_go_though_the_service_still_owes(house: House) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window, force=True)
    assert house.made == ["up forge", "kill forge"]
    assert house.state(window) == "closed"
    assert "forced" in (house.window(window).close_reason or "")
    assert house.row("forge").owed
    assert "drift.found" in house.trail()

    house.will_not_stop.clear()
    house.tick(20)
    assert (house.row("forge").owed, house.running()) == (False, {"redis"})


def test_force_does_not_wait_for_the_next_try_of_a_stuck_window(house: House) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window)
    house.tick(11)
    house.tick(21)
    assert house.window(window).stuck

    house.made.clear()
    house.close(window, force=True)
    assert (house.made, house.state(window)) == (["kill forge"], "closed")


def test_force_on_the_older_of_two_closing_windows_lets_that_one_go(house: House) -> None:
    house.will_not_stop.add("forge")
    older, newer = house.open("forge"), house.open("forge")
    with house.database.write() as session:
        for window in (older, newer):
            control.close(session, window, actor="ada", now=house.now)
    house.work()
    house.close(older, force=True)
    assert (house.state(older), house.state(newer)) == ("closed", "closing")


def test_force_leaves_what_another_window_holds(house: House) -> None:
    mine, theirs = house.open("forge", "mill"), house.open("forge")
    house.close(mine, force=True)
    assert (house.state(mine), house.state(theirs)) == ("closed", "open")
    assert names(house.made, "kill") == ["mill"]


def test_a_stop_that_was_lost_is_made_again(house: House) -> None:
    window = house.open("forge")
    house.dies_at = "stop forge"
    with pytest.raises(WorkerKilled):
        house.close(window)
    house.restart_worker()
    assert house.made == ["up forge", "stop forge", "stop forge"]
    assert house.state(window) == "closed"
    assert house.trail().count("call.lost") == 1


def test_an_off_is_not_confirmed_by_not_being_seen_alone(house: House) -> None:
    """A start that timed out may still come up: only a stop that returned 0 ends that."""
    house.times_out.add("forge")
    house.will_not_start.add("forge")
    window = house.open("forge")
    assert (house.status(window), house.state(window)) == ("fail", "closed")
    assert names(house.made, "stop") == ["forge"]
    assert not house.row("forge").owed


def test_while_the_engine_is_away_nothing_is_confirmed(house: House) -> None:
    window = house.open("forge")
    house.away = True
    house.close(window)
    assert (house.state(window), house.power("forge")) == ("closing", Power.UNKNOWN)
    assert house.row("forge").owed

    house.away = False
    house.tick(300)
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_an_owed_off_survives_the_window_the_worker_and_the_allowlist(house: House) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window, force=True)
    assert house.state(window) == "closed"

    without = {name: one for name, one in house.spec.services.items() if name != "forge"}
    house.publish(replace(house.spec, services=without, digest="another"))
    house.will_not_stop.clear()
    house.restart_worker()
    house.tick(600)
    assert (house.row("forge").owed, house.running()) == (False, {"redis"})
