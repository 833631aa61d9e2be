"""Drift is told once, stopped where that is wanted; core is told of and never touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app import observe
from app.domain.words import Power, Role
from app.observe import Seen
from app.store.database import Database
from tests.house import House, studio


@pytest.fixture
def strict(database: Database) -> House:
    return House(database, replace(studio(), drift="stop", grace=60.0))


def test_a_hand_started_service_is_found_once_and_left_running(house: House) -> None:
    house.run_by_hand("forge")
    for _ in range(3):
        house.tick(3600)
    assert house.trail().count("drift.found") == 1
    assert (house.made, house.running()) == ([], {"redis", "forge"})


def test_it_is_found_again_when_it_has_been_gone(house: House) -> None:
    house.run_by_hand("forge")
    house.finish("forge")
    house.run_by_hand("forge")
    assert house.trail().count("drift.found") == 2
    assert "drift.stopped" not in house.trail()


def test_where_drift_is_to_be_stopped_it_is_after_its_grace(strict: House) -> None:
    strict.run_by_hand("forge")
    strict.tick(59)
    assert strict.made == []
    strict.tick(2)
    assert strict.made == ["stop forge"]
    assert strict.running() == {"redis"}
    assert strict.trail().count("drift.stopped") == 1
    assert not strict.row("forge").owed


def test_a_window_that_takes_a_drifting_service_ends_the_drift(strict: House) -> None:
    strict.run_by_hand("forge")
    strict.tick(50)
    window = strict.open("forge", ttl=600)
    strict.tick(100)
    assert (strict.state(window), strict.made) == ("open", [])


def test_unlisted_services_are_nobodys_business(strict: House) -> None:
    strict.run_by_hand("secret")
    strict.tick(3600)
    assert "drift.found" not in strict.trail()
    assert strict.running() == {"redis", "secret"}


def test_core_that_is_down_is_told_of_and_not_started(strict: House) -> None:
    strict.finish("redis", code=1)
    strict.tick(3600)
    assert strict.trail().count("drift.found") == 1
    assert strict.made == []


def test_nothing_ever_marks_core(house: House) -> None:
    """Not even a window that held it while it was not core yet."""
    window = house.open("forge")
    services = {**house.spec.services, "forge": replace(house.spec.services["forge"], role=Role.CORE)}
    house.publish(replace(house.spec, services=services, digest="another"))
    house.close(window)
    house.tick(3600)
    assert house.state(window) == "closed"
    assert (house.row("forge").owed, house.row("redis").owed) == (False, False)
    assert house.running() == {"redis", "forge"}
    assert house.made == ["up forge"]


def test_an_older_look_never_overwrites_a_newer_one(house: House) -> None:
    house.open("forge")
    seen_at = house.row("forge").observed_at
    assert seen_at
    for at in (seen_at, seen_at - timedelta(milliseconds=1)):
        with house.database.write() as session:
            observe.looked(session, house.spec, {"forge": Seen(Power.OFF)}, at=at, now=house.now)
        assert (house.power("forge"), house.row("forge").alive) == (Power.ON, True)
        assert house.row("forge").observed_at == seen_at


def test_what_services_say_is_kept_whatever_they_say(house: House) -> None:
    odd = "broken \0 text \ud800 " + "é" * 10
    with house.database.write() as session:
        seen = Seen(Power.FAILING, odd, alive=True)
        observe.looked(session, house.spec, {"forge": seen}, at=house.now, now=house.now)
    assert house.row("forge").detail.startswith("broken \ufffd text ?")
    assert house.intact()
