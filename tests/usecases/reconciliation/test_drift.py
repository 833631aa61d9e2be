"""Drift is told once, stopped where that is wanted; core is told of and never touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Power, Role
from app.store.database import Database
from app.store.tables import stamp
from app.usecases.reconciliation import drift, observations
from app.usecases.reconciliation.observations import SeenContainers
from tests.system import System, studio


@pytest.fixture
def strict(database: Database) -> System:
    return System(database, replace(studio(), drift="stop", grace=60.0))


def test_a_hand_started_service_is_found_once_and_left_running(house: System) -> None:
    house.run_by_hand("forge")
    for _ in range(3):
        house.tick(3600)
    assert house.trail().count("drift.found") == 1
    assert (house.made, house.running()) == ([], {"redis", "forge"})


def test_it_is_found_again_when_it_has_been_gone(house: System) -> None:
    house.run_by_hand("forge")
    house.finish("forge")
    house.run_by_hand("forge")
    assert house.trail().count("drift.found") == 2
    assert "drift.stopped" not in house.trail()


def test_what_became_of_a_drift_is_on_record(house: System) -> None:
    house.run_by_hand("forge")
    began = house.row("forge").drift_since
    house.finish("forge")
    assert house.facts("drift.found")["why"] == "runs, though no window holds it"
    assert began
    assert house.facts("drift.ended")["since"] == stamp(began)
    assert house.facts("drift.ended")["why"] == "it is off"
    assert house.row("forge").drift_since is None


def test_an_engine_that_is_away_ends_no_drift_and_begins_none(house: System) -> None:
    house.run_by_hand("forge")
    house.finish("redis", code=1)
    house.away = True
    house.tick(60)
    house.away = False
    house.tick(60)
    assert house.trail().count("drift.found") == 2
    assert "drift.ended" not in house.trail()


def test_core_that_is_trying_again_is_still_down(house: System) -> None:
    house.checked.add("redis")
    house.finish("redis", code=1)
    house.run_by_hand("redis")
    assert house.power("redis") == Power.STARTING
    assert house.trail().count("drift.ended") == 0
    house.heal("redis")
    assert house.trail()[-1] == "drift.ended"
    assert house.trail().count("drift.found") == 1


def test_what_a_hand_stopped_under_an_open_window_is_found_once(house: System) -> None:
    window = house.open("forge", "mill")
    house.finish("forge", code=143)
    for _ in range(3):
        house.tick(10)
    (found,) = house.said("drift.found")
    assert (found.service, found.window_id) == ("forge", window)
    facts = json.loads(found.facts)
    assert facts["why"] == "stopped, though an open window holds it"
    assert facts["windows"] == [window]
    assert house.status(window) == "partial"
    assert house.lease(window, "forge").detail == "exited with code 143"
    assert house.made == ["up forge", "up mill"]

    house.run_by_hand("forge")
    assert house.trail()[-2:] == ["service.ready", "drift.ended"]
    assert (house.status(window), house.facts("drift.ended")["why"]) == ("ok", "it runs again")

    house.finish("forge", code=143)
    assert house.trail().count("drift.found") == 2


def test_a_container_that_was_removed_is_told_of_in_words(house: System) -> None:
    window = house.open("forge")
    del house.containers["forge"]
    house.work()
    assert house.trail().count("drift.found") == 1
    assert house.lease(window, "forge").detail == "it ran, and its container is gone"
    assert house.status(window) == "partial"


def test_what_never_was_ready_is_failing_and_no_drift(house: System) -> None:
    house.will_not_start.add("forge")
    window = house.open("forge", "mill")
    house.tick(60)
    assert "drift.found" not in house.trail()
    assert house.lease(window, "forge").ready_at is None


def test_while_a_window_is_opening_somebody_waits_for_it(house: System) -> None:
    window = house.open("forge", "db")
    assert house.state(window) == "opening"
    house.finish("forge", code=1)
    assert "drift.found" not in house.trail()
    house.heal("db")
    assert (house.state(window), house.status(window)) == ("open", "partial")
    assert house.trail().count("drift.found") == 1


def test_a_stopped_service_drifts_until_its_window_ends(house: System) -> None:
    window = house.open("forge")
    house.finish("forge", code=1)
    house.close(window)
    assert house.state(window) == "closed"
    assert house.trail().count("drift.ended") == 1
    assert house.row("forge").drift_since is None


def test_another_window_brings_what_a_hand_stopped_back(house: System) -> None:
    first = house.open("forge")
    house.finish("forge", code=1)
    second = house.open("forge")
    assert house.made == ["up forge", "up forge"]
    assert (house.status(first), house.status(second)) == ("ok", "ok")
    assert (house.trail().count("drift.found"), house.trail().count("drift.ended")) == (1, 1)


def test_what_the_engine_started_by_itself_is_stopped_whatever_drift_says(house: System) -> None:
    """`drift` governs what a hand has started; a restart policy is no hand."""
    house.close(house.open("forge"))
    house.made.clear()
    house.engine_restarts("forge")
    assert (house.made, house.running()) == (["stop forge"], {"redis"})
    assert house.facts("drift.found")["why"] == drift.REVIVED
    assert house.trail().count("drift.stopped") == 1


def test_what_a_window_holds_goes_on_when_the_engine_has_started_it_again(house: System) -> None:
    window = house.open("forge")
    house.engine_restarts("forge")
    assert (house.status(window), house.made) == ("ok", ["up forge"])
    assert "drift.found" not in house.trail()


def test_where_drift_is_to_be_stopped_it_is_after_its_grace(strict: System) -> None:
    strict.run_by_hand("forge")
    strict.tick(59)
    assert strict.made == []
    strict.tick(2)
    assert strict.made == ["stop forge"]
    assert strict.running() == {"redis"}
    assert strict.trail().count("drift.stopped") == 1
    assert not strict.row("forge").owed


def test_a_window_that_takes_a_drifting_service_ends_the_drift(strict: System) -> None:
    strict.run_by_hand("forge")
    strict.tick(50)
    window = strict.open("forge", ttl=600)
    strict.tick(100)
    assert (strict.state(window), strict.made) == ("open", [])


def test_unlisted_services_are_nobodys_business(strict: System) -> None:
    strict.run_by_hand("secret")
    strict.tick(3600)
    assert "drift.found" not in strict.trail()
    assert strict.running() == {"redis", "secret"}


def test_core_that_is_down_is_told_of_and_not_started(strict: System) -> None:
    strict.finish("redis", code=1)
    strict.tick(3600)
    assert strict.trail().count("drift.found") == 1
    assert strict.made == []


def test_nothing_ever_stops_core(house: System) -> None:
    """Not even a window that held it while it was not core yet."""
    window = house.open("forge")
    services = {**house.spec.services, "forge": replace(house.spec.services["forge"], role=Role.CORE)}
    house.publish(replace(house.spec, services=services, digest="another"))
    house.close(window)
    house.tick(3600)
    assert house.state(window) == "closed"
    assert (house.row("forge").owed, house.row("redis").owed) == (True, False)
    assert house.running() == {"redis", "forge"}
    assert house.made == ["up forge"]
    assert "drift.found" not in house.trail()


def test_an_older_look_never_overwrites_a_newer_one(house: System) -> None:
    house.open("forge")
    seen_at = house.row("forge").observed_at
    assert seen_at
    for at in (seen_at, seen_at - timedelta(milliseconds=1)):
        with house.database.write() as session:
            observations.looked(
                session, house.spec, {"forge": SeenContainers(Power.OFF)}, at=at, now=house.now
            )
        assert (house.power("forge"), house.row("forge").alive) == (Power.ON, True)
        assert house.row("forge").observed_at == seen_at


def test_what_services_say_is_kept_whatever_they_say(house: System) -> None:
    odd = "broken \0 text \ud800 " + "é" * 10
    with house.database.write() as session:
        seen = SeenContainers(Power.FAILING, odd, alive=True)
        observations.looked(session, house.spec, {"forge": seen}, at=house.now, now=house.now)
    assert house.row("forge").detail.startswith("broken \ufffd text ?")
    assert house.intact()


def test_what_a_start_that_was_cut_off_brings_up_late_is_turned_off(house: System) -> None:
    house.times_out.add("forge")
    house.will_not_start.add("forge")
    window = house.open("forge")
    assert (house.status(window), house.state(window)) == ("fail", "closed")

    house.now += timedelta(seconds=90)
    house.run_by_hand("forge")
    house.tick(1)

    assert house.facts("drift.found")["why"] == drift.CAME_LATE
    assert house.running() == {"redis"}
    assert house.made[-1] == "stop forge"


def test_long_after_it_a_person_has_started_it(house: System) -> None:
    house.times_out.add("forge")
    house.will_not_start.add("forge")
    house.open("forge")
    made = list(house.made)

    house.now += drift.LATE + timedelta(seconds=30)
    house.run_by_hand("forge")
    house.tick(600)

    assert (house.made, house.running()) == (made, {"redis", "forge"})


def test_after_a_start_that_ended_well_a_person_has_started_it(house: System) -> None:
    house.close(house.open("forge"))
    made = list(house.made)

    house.run_by_hand("forge")
    house.tick(600)

    assert (house.made, house.running()) == (made, {"redis", "forge"})
