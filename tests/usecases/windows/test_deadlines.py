"""Deadlines: counted from the start of opening, dead on the stroke, moved by their owner only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import BadTTL, TimeIsUp, TTLTooLong, UnknownWindow, WouldShorten
from app.store import windows as rows
from app.usecases.windows import transitions
from app.usecases.windows.transitions import OpenRequest
from tests.system import System

HUGE = 10**400
WRONG = [0, -1, float("nan"), float("inf"), True, "60", None]


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


@pytest.mark.parametrize("ttl", [ttl for ttl in WRONG if ttl is not None])
def test_a_time_to_live_is_a_positive_number(house: System, ttl: float) -> None:
    with pytest.raises(BadTTL):
        house.ask("forge", ttl=ttl)


@pytest.mark.parametrize("ttl", WRONG)
def test_so_is_an_extension(house: System, ttl: float) -> None:
    window = house.open("forge")
    with pytest.raises(BadTTL):
        house.extend(window, ttl)


@pytest.mark.parametrize("ttl", [3600.1, 1e300, HUGE])
def test_over_the_limit_names_the_limit(house: System, ttl: float) -> None:
    with pytest.raises(TTLTooLong) as refused:
        house.ask("forge", ttl=ttl)
    assert (refused.value.facts["limit"], refused.value.facts["allowed"]) == (3600.0, 3600.0)


def test_without_a_time_the_stacks_own_counts(house: System) -> None:
    window, _new = house.ask("forge")
    assert house.window(window).ttl_sec == 600.0


def test_the_limit_counts_from_the_start_of_opening(house: System) -> None:
    window, _new = house.ask("forge", ttl=3000)
    began = house.window(window).created_at
    house.now = began + seconds(1000)
    house.extend(window, 2600)
    assert house.window(window).deadline == began + seconds(3600)
    house.now = began + seconds(1000)
    for ttl in (2600.001, 1e300, HUGE):
        with pytest.raises(TTLTooLong) as refused:
            house.extend(window, ttl)
        assert refused.value.facts["allowed"] == 2600.0


def test_an_extension_counts_from_now(house: System) -> None:
    window, _new = house.ask("forge", ttl=60)
    house.now += seconds(30)
    now = house.now
    house.extend(window, 45)
    assert house.window(window).deadline == now + seconds(45)


def test_only_the_owner_may_shorten(house: System) -> None:
    window, _new = house.ask("forge", ttl=600, actor="ada")
    with pytest.raises(WouldShorten) as refused:
        house.extend(window, 60, actor="bob")
    assert refused.value.facts["owner"] == "ada"
    house.extend(window, 900, actor="bob")
    house.extend(window, 60, actor="ada")


def test_past_its_deadline_it_is_over_though_nobody_has_noticed(house: System) -> None:
    window, _new = house.ask("forge", ttl=60)
    deadline = house.window(window).deadline
    house.now = deadline - timedelta(microseconds=1)
    with house.database.read() as session:
        assert rows.wanted(session, "studio", "forge", house.now)
    house.now = deadline
    with house.database.read() as session:
        assert not rows.wanted(session, "studio", "forge", house.now)
    with pytest.raises(TimeIsUp):
        house.extend(window, 60)
    assert house.state(window) == "opening"


def test_a_closing_or_closed_window_cannot_be_extended(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window)
    assert house.state(window) == "closing"
    with pytest.raises(TimeIsUp):
        house.extend(window, 60)
    house.will_not_stop.clear()
    house.tick(600)
    assert house.state(window) == "closed"
    with pytest.raises(TimeIsUp):
        house.extend(window, 60)


def test_the_clock_closes_what_is_due_and_nothing_else(house: System) -> None:
    due, _new = house.ask("forge", ttl=60)
    later, _new = house.ask("mill", ttl=61)
    with house.database.write() as session:
        now = house.window(due).deadline
        assert rows.next_deadline(session, "local") == now
        assert [one.id for one in transitions.expire_due(session, now, "elsewhere")] == []
        assert [one.id for one in transitions.expire_due(session, now, "local")] == [due]
        assert [one.id for one in transitions.expire_due(session, now, "local")] == []
    assert (house.state(due), house.state(later)) == ("closing", "opening")
    assert '"late_ms":0.0' in house.entries(due)[-1].facts
    assert house.entries(due)[-1].actor == transitions.CLOCK


def test_an_opening_window_is_closed_by_its_deadline_too(house: System) -> None:
    window = house.open("api", ttl=60)
    assert house.state(window) == "opening"
    house.tick(60)
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_there_is_no_extending_or_closing_of_what_is_not(house: System) -> None:
    with pytest.raises(UnknownWindow):
        house.extend("0" * 16, 60)
    with pytest.raises(UnknownWindow):
        house.close("0" * 16, force=True)


def test_a_plan_changes_nothing_and_says_the_waves(house: System) -> None:
    house.open("forge")
    before = len(house.entries())
    with house.database.read() as session:
        plan = transitions.plan(session, OpenRequest(["api", "forge", "report"]))
    assert plan.waves == [["db", "job"], ["api", "report"]]
    assert plan.already_on == ["forge"]
    assert len(house.entries()) == before
