"""Windows that share services: the last one out turns off the light, and nobody's is cut short."""

from __future__ import annotations

from datetime import timedelta

from app.domain.enums import Power
from app.usecases.windows import transitions
from tests.system import NOON, System, names


def test_the_last_one_out_turns_off_the_light(house: System) -> None:
    first, second = house.open("forge"), house.open("forge")

    house.close(first)
    assert (house.state(first), house.power("forge")) == ("closed", Power.ON)

    house.close(second)
    assert (house.state(second), house.power("forge")) == ("closed", Power.OFF)
    assert house.made == ["up forge", "stop forge"]


def test_expiry_of_one_leaves_the_others_on(house: System) -> None:
    short, long = house.open("forge", "mill", ttl=60), house.open("forge", ttl=120)

    house.tick(60)
    assert (house.state(short), house.state(long)) == ("closed", "open")
    assert house.running() == {"redis", "forge"}

    house.tick(60)
    assert house.state(long) == "closed"
    assert house.running() == {"redis"}


def test_failure_of_one_leaves_the_others_on(house: System) -> None:
    house.will_crash.add("mill")
    good = house.open("forge")
    bad = house.open("mill")
    mixed = house.open("forge", "mill")
    assert (house.state(good), house.state(bad), house.state(mixed)) == ("open", "closed", "open")
    assert house.status(mixed) == "partial"
    assert "forge" in house.running()
    assert "stop forge" not in house.made


def test_a_dependency_is_held_by_each_window_that_needs_it(house: System) -> None:
    mine, theirs = house.open("db"), house.open("api", actor="bob")
    house.heal("db")
    assert house.state(theirs) == "open"

    house.close(mine)
    assert {"db", "api"} <= house.running()

    house.close(theirs)
    assert house.running() == {"redis"}
    # What needs goes before what is needed.
    assert names(house.made, "stop") == ["api", "db"]


def test_a_window_opened_while_the_last_one_closes_gets_its_service_back(house: System) -> None:
    first = house.open("forge")
    with house.database.write() as session:
        transitions.close(session, first, actor="ada", now=house.now)
    second, _new = house.ask("forge")
    house.work()
    assert (house.state(first), house.state(second), house.power("forge")) == ("closed", "open", Power.ON)
    assert house.made == ["up forge"]


def test_what_somebody_started_by_hand_goes_with_the_last_window_that_held_it(house: System) -> None:
    house.run_by_hand("forge")
    assert house.row("forge").owed is False

    window = house.open("forge")
    assert (house.state(window), house.made) == ("open", [])

    house.close(window)
    assert (house.state(window), house.power("forge")) == ("closed", Power.OFF)


def test_an_extended_window_outlives_its_first_deadline(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.tick(50)
    house.extend(window, 60)
    house.tick(20)
    assert (house.state(window), house.power("forge")) == ("open", Power.ON)
    assert house.window(window).deadline > NOON + timedelta(seconds=100)
    house.tick(41)
    assert house.state(window) == "closed"
