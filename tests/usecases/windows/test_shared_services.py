"""Windows that share services: the last one to close stops them, and no window is cut short."""

from __future__ import annotations

from datetime import timedelta

from app.domain.enums import Power
from app.usecases.windows import close as closing
from tests.system import NOON, System, names


def test_the_last_one_out_turns_off_the_light(system: System) -> None:
    first, second = system.open("forge"), system.open("forge")

    system.close(first)
    assert (system.state(first), system.power("forge")) == ("closed", Power.ON)

    system.close(second)
    assert (system.state(second), system.power("forge")) == ("closed", Power.OFF)
    assert system.made == ["up forge", "stop forge"]


def test_expiry_of_one_leaves_the_others_on(system: System) -> None:
    short, long = system.open("forge", "mill", ttl=60), system.open("forge", ttl=120)

    system.tick(60)
    assert (system.state(short), system.state(long)) == ("closed", "open")
    assert system.running() == {"redis", "forge"}

    system.tick(60)
    assert system.state(long) == "closed"
    assert system.running() == {"redis"}


def test_failure_of_one_leaves_the_others_on(system: System) -> None:
    system.will_crash.add("mill")
    good = system.open("forge")
    bad = system.open("mill")
    mixed = system.open("forge", "mill")
    assert (system.state(good), system.state(bad), system.state(mixed)) == ("open", "closed", "open")
    assert system.status(mixed) == "partial"
    assert "forge" in system.running()
    assert "stop forge" not in system.made


def test_a_dependency_is_held_by_each_window_that_needs_it(system: System) -> None:
    mine, theirs = system.open("db"), system.open("api", actor="bob")
    system.heal("db")
    assert system.state(theirs) == "open"

    system.close(mine)
    assert {"db", "api"} <= system.running()

    system.close(theirs)
    assert system.running() == {"redis"}
    # What needs goes before what is needed.
    assert names(system.made, "stop") == ["api", "db"]


def test_a_window_opened_while_the_last_one_closes_gets_its_service_back(system: System) -> None:
    first = system.open("forge")
    with system.database.write() as session:
        closing.close(session, first, actor="ada", now=system.now)
    second, _new = system.ask("forge")
    system.work()
    assert (system.state(first), system.state(second), system.power("forge")) == ("closed", "open", Power.ON)
    assert system.made == ["up forge"]


def test_a_manually_started_service_goes_with_the_last_window_that_held_it(system: System) -> None:
    system.run_by_hand("forge")
    assert system.row("forge").stop_pending is False

    window = system.open("forge")
    assert (system.state(window), system.made) == ("open", [])

    system.close(window)
    assert (system.state(window), system.power("forge")) == ("closed", Power.OFF)


def test_an_extended_window_outlives_its_first_deadline(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.tick(50)
    system.extend(window, 60)
    system.tick(20)
    assert (system.state(window), system.power("forge")) == ("open", Power.ON)
    assert system.window(window).deadline > NOON + timedelta(seconds=100)
    system.tick(41)
    assert system.state(window) == "closed"
