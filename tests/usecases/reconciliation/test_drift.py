"""Drift is told once, stopped where that is wanted; core is told of and never touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.calls import SeenContainers
from app.domain.enums import Power, Role
from app.store.database import Database
from app.store.tables import stamp
from app.usecases.reconciliation import drift, observations
from tests.system import System, studio


@pytest.fixture
def strict(database: Database) -> System:
    return System(database, replace(studio(), drift="stop", grace=60.0))


def test_a_manually_started_service_is_found_once_and_left_running(system: System) -> None:
    system.run_by_hand("forge")
    for _ in range(3):
        system.tick(3600)
    assert system.trail().count("drift.found") == 1
    assert (system.made, system.running()) == ([], {"redis", "forge"})


def test_it_is_found_again_when_it_has_been_gone(system: System) -> None:
    system.run_by_hand("forge")
    system.finish("forge")
    system.run_by_hand("forge")
    assert system.trail().count("drift.found") == 2
    assert "drift.stopped" not in system.trail()


def test_what_became_of_a_drift_is_on_record(system: System) -> None:
    system.run_by_hand("forge")
    began = system.row("forge").drift_since
    system.finish("forge")
    assert system.facts("drift.found")["why"] == "runs, though no window holds it"
    assert began
    assert system.facts("drift.ended")["since"] == stamp(began)
    assert system.facts("drift.ended")["why"] == "it is off"
    assert system.row("forge").drift_since is None


def test_an_engine_that_is_away_ends_no_drift_and_begins_none(system: System) -> None:
    system.run_by_hand("forge")
    system.finish("redis", code=1)
    system.away = True
    system.tick(60)
    system.away = False
    system.tick(60)
    assert system.trail().count("drift.found") == 2
    assert "drift.ended" not in system.trail()


def test_core_that_is_trying_again_is_still_down(system: System) -> None:
    system.checked.add("redis")
    system.finish("redis", code=1)
    system.run_by_hand("redis")
    assert system.power("redis") == Power.STARTING
    assert system.trail().count("drift.ended") == 0
    system.heal("redis")
    assert system.trail()[-1] == "drift.ended"
    assert system.trail().count("drift.found") == 1


def test_what_a_person_stopped_under_an_open_window_is_found_once(system: System) -> None:
    window = system.open("forge", "mill")
    system.finish("forge", code=143)
    for _ in range(3):
        system.tick(10)
    (drift,) = system.said("drift.found")
    assert (drift.service, drift.window_id) == ("forge", window)
    facts = json.loads(drift.facts)
    assert facts["why"] == "stopped, though an open window holds it"
    assert facts["windows"] == [window]
    assert system.status(window) == "partial"
    assert system.lease(window, "forge").detail == "exited with code 143"
    assert system.made == ["up forge", "up mill"]

    system.run_by_hand("forge")
    assert system.trail()[-2:] == ["service.ready", "drift.ended"]
    assert (system.status(window), system.facts("drift.ended")["why"]) == ("ok", "it runs again")

    system.finish("forge", code=143)
    assert system.trail().count("drift.found") == 2


def test_a_container_that_was_removed_is_reported_in_words(system: System) -> None:
    window = system.open("forge")
    del system.containers["forge"]
    system.work()
    assert system.trail().count("drift.found") == 1
    assert system.lease(window, "forge").detail == "it ran, and its container is gone"
    assert system.status(window) == "partial"


def test_what_never_was_ready_is_failing_and_no_drift(system: System) -> None:
    system.will_not_start.add("forge")
    window = system.open("forge", "mill")
    system.tick(60)
    assert "drift.found" not in system.trail()
    assert system.lease(window, "forge").ready_at is None


def test_while_a_window_is_opening_there_is_no_drift(system: System) -> None:
    window = system.open("forge", "db")
    assert system.state(window) == "opening"
    system.finish("forge", code=1)
    assert "drift.found" not in system.trail()
    system.heal("db")
    assert (system.state(window), system.status(window)) == ("open", "partial")
    assert system.trail().count("drift.found") == 1


def test_a_stopped_service_drifts_until_its_window_ends(system: System) -> None:
    window = system.open("forge")
    system.finish("forge", code=1)
    system.close(window)
    assert system.state(window) == "closed"
    assert system.trail().count("drift.ended") == 1
    assert system.row("forge").drift_since is None


def test_another_window_brings_what_a_person_stopped_back(system: System) -> None:
    first = system.open("forge")
    system.finish("forge", code=1)
    second = system.open("forge")
    assert system.made == ["up forge", "up forge"]
    assert (system.status(first), system.status(second)) == ("ok", "ok")
    assert (system.trail().count("drift.found"), system.trail().count("drift.ended")) == (1, 1)


def test_what_the_engine_started_by_itself_is_stopped_whatever_drift_says(system: System) -> None:
    """`drift` governs what a hand has started; a restart policy is no hand."""
    system.close(system.open("forge"))
    system.made.clear()
    system.engine_restarts("forge")
    assert (system.made, system.running()) == (["stop forge"], {"redis"})
    assert system.facts("drift.found")["why"] == drift.REVIVED
    assert system.trail().count("drift.stopped") == 1


def test_what_a_window_holds_goes_on_when_the_engine_has_started_it_again(system: System) -> None:
    window = system.open("forge")
    system.engine_restarts("forge")
    assert (system.status(window), system.made) == ("ok", ["up forge"])
    assert "drift.found" not in system.trail()


def test_where_drift_is_to_be_stopped_it_is_after_its_grace(strict: System) -> None:
    strict.run_by_hand("forge")
    strict.tick(59)
    assert strict.made == []
    strict.tick(2)
    assert strict.made == ["stop forge"]
    assert strict.running() == {"redis"}
    assert strict.trail().count("drift.stopped") == 1
    assert not strict.row("forge").stop_pending


def test_a_window_that_takes_a_drifting_service_ends_the_drift(strict: System) -> None:
    strict.run_by_hand("forge")
    strict.tick(50)
    window = strict.open("forge", ttl=600)
    strict.tick(100)
    assert (strict.state(window), strict.made) == ("open", [])


def test_unlisted_services_never_drift(strict: System) -> None:
    strict.run_by_hand("secret")
    strict.tick(3600)
    assert "drift.found" not in strict.trail()
    assert strict.running() == {"redis", "secret"}


def test_core_that_is_down_is_reported_and_not_started(strict: System) -> None:
    strict.finish("redis", code=1)
    strict.tick(3600)
    assert strict.trail().count("drift.found") == 1
    assert strict.made == []


def test_nothing_ever_stops_core(system: System) -> None:
    """Not even a window that held it while it was not core yet."""
    window = system.open("forge")
    services = {**system.spec.services, "forge": replace(system.spec.services["forge"], role=Role.CORE)}
    system.publish(replace(system.spec, services=services, digest="another"))
    system.close(window)
    system.tick(3600)
    assert system.state(window) == "closed"
    assert (system.row("forge").stop_pending, system.row("redis").stop_pending) == (True, False)
    assert system.running() == {"redis", "forge"}
    assert system.made == ["up forge"]
    assert "drift.found" not in system.trail()


def test_an_older_look_never_overwrites_a_newer_one(system: System) -> None:
    system.open("forge")
    seen_at = system.row("forge").observed_at
    assert seen_at
    for at in (seen_at, seen_at - timedelta(milliseconds=1)):
        with system.database.write() as session:
            observations.record_inspection(
                session, system.spec, {"forge": SeenContainers(Power.OFF)}, at=at, now=system.now
            )
        assert (system.power("forge"), system.row("forge").alive) == (Power.ON, True)
        assert system.row("forge").observed_at == seen_at


def test_what_services_say_is_kept_whatever_they_say(system: System) -> None:
    odd = "broken \0 text \ud800 " + "é" * 10
    with system.database.write() as session:
        seen = SeenContainers(Power.FAILING, odd, alive=True)
        observations.record_inspection(session, system.spec, {"forge": seen}, at=system.now, now=system.now)
    assert system.row("forge").detail.startswith("broken \ufffd text ?")
    assert system.intact()


def test_what_a_start_that_was_cut_off_brings_up_late_is_turned_off(system: System) -> None:
    system.times_out.add("forge")
    system.will_not_start.add("forge")
    window = system.open("forge")
    assert (system.status(window), system.state(window)) == ("fail", "closed")

    system.now += timedelta(seconds=90)
    system.run_by_hand("forge")
    system.tick(1)

    assert system.facts("drift.found")["why"] == drift.CAME_LATE
    assert system.running() == {"redis"}
    assert system.made[-1] == "stop forge"


def test_long_after_it_a_person_has_started_it(system: System) -> None:
    system.times_out.add("forge")
    system.will_not_start.add("forge")
    system.open("forge")
    made = list(system.made)

    system.now += drift.LATE + timedelta(seconds=30)
    system.run_by_hand("forge")
    system.tick(600)

    assert (system.made, system.running()) == (made, {"redis", "forge"})


def test_after_a_start_that_ended_well_a_person_has_started_it(system: System) -> None:
    system.close(system.open("forge"))
    made = list(system.made)

    system.run_by_hand("forge")
    system.tick(600)

    assert (system.made, system.running()) == (made, {"redis", "forge"})
