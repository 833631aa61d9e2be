"""Deadlines: counted from the start of opening, dead on the stroke, moved by their owner only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import BadTTL, TimeIsUp, TTLTooLong, UnknownWindow, WouldShorten
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.usecases.windows import expire as expiry
from app.usecases.windows import open as opening
from app.usecases.windows import transitions
from app.usecases.windows.open import OpenRequest
from tests.system import System

HUGE = 10**400
WRONG = [0, -1, float("nan"), float("inf"), True, "60", None]


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


@pytest.mark.parametrize("ttl", [ttl for ttl in WRONG if ttl is not None])
def test_a_time_to_live_is_a_positive_number(system: System, ttl: float) -> None:
    with pytest.raises(BadTTL):
        system.ask("forge", ttl=ttl)


@pytest.mark.integration
@pytest.mark.parametrize("ttl", WRONG)
def test_so_is_an_extension(system: System, ttl: float) -> None:
    window = system.open("forge")
    with pytest.raises(BadTTL):
        system.extend(window, ttl)


@pytest.mark.parametrize("ttl", [3600.1, 1e300, HUGE])
def test_over_the_limit_names_the_limit(system: System, ttl: float) -> None:
    with pytest.raises(TTLTooLong) as refused:
        system.ask("forge", ttl=ttl)
    assert (refused.value.facts["limit"], refused.value.facts["allowed"]) == (3600.0, 3600.0)


def test_without_a_time_the_stacks_own_counts(system: System) -> None:
    window, _new = system.ask("forge")
    assert system.window(window).ttl_sec == 600.0


def test_the_limit_counts_from_the_start_of_opening(system: System) -> None:
    window, _new = system.ask("forge", ttl=3000)
    began = system.window(window).created_at
    system.now = began + seconds(1000)
    system.extend(window, 2600)
    assert system.window(window).deadline == began + seconds(3600)
    system.now = began + seconds(1000)
    for ttl in (2600.001, 1e300, HUGE):
        with pytest.raises(TTLTooLong) as refused:
            system.extend(window, ttl)
        assert refused.value.facts["allowed"] == 2600.0


def test_an_extension_counts_from_now(system: System) -> None:
    window, _new = system.ask("forge", ttl=60)
    system.now += seconds(30)
    now = system.now
    system.extend(window, 45)
    assert system.window(window).deadline == now + seconds(45)


def test_only_the_owner_may_shorten(system: System) -> None:
    window, _new = system.ask("forge", ttl=600, actor="ada")
    with pytest.raises(WouldShorten) as refused:
        system.extend(window, 60, actor="bob")
    assert refused.value.facts["owner"] == "ada"
    system.extend(window, 900, actor="bob")
    system.extend(window, 60, actor="ada")


def test_past_its_deadline_it_is_over_before_the_clock_has_run(system: System) -> None:
    window, _new = system.ask("forge", ttl=60)
    deadline = system.window(window).deadline
    system.now = deadline - timedelta(microseconds=1)
    with system.database.read() as session:
        assert rows.is_wanted(session, StackId("studio"), "forge", system.now)
    system.now = deadline
    with system.database.read() as session:
        assert not rows.is_wanted(session, StackId("studio"), "forge", system.now)
    with pytest.raises(TimeIsUp):
        system.extend(window, 60)
    assert system.state(window) == "opening"


def test_a_closing_or_closed_window_cannot_be_extended(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window)
    assert system.state(window) == "closing"
    with pytest.raises(TimeIsUp):
        system.extend(window, 60)
    system.will_not_stop.clear()
    system.tick(600)
    assert system.state(window) == "closed"
    with pytest.raises(TimeIsUp):
        system.extend(window, 60)


def test_the_clock_closes_what_is_due_and_nothing_else(system: System) -> None:
    due, _new = system.ask("forge", ttl=60)
    later, _new = system.ask("mill", ttl=61)
    with system.database.write() as session:
        now = system.window(due).deadline
        assert rows.next_deadline(session, "local") == now
        assert [one.id for one in expiry.expire_due(session, now, "elsewhere")] == []
        assert [one.id for one in expiry.expire_due(session, now, "local")] == [due]
        assert [one.id for one in expiry.expire_due(session, now, "local")] == []
    assert (system.state(due), system.state(later)) == ("closing", "opening")
    assert '"late_ms":0.0' in system.entries(due)[-1].facts
    assert system.entries(due)[-1].actor == transitions.CLOCK_ACTOR


def test_an_opening_window_is_closed_by_its_deadline_too(system: System) -> None:
    window = system.open("api", ttl=60)
    assert system.state(window) == "opening"
    system.tick(60)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_there_is_no_extending_or_closing_of_what_is_not(system: System) -> None:
    with pytest.raises(UnknownWindow):
        system.extend("0" * 16, 60)
    with pytest.raises(UnknownWindow):
        system.close("0" * 16, force=True)


def test_a_plan_changes_nothing_and_says_the_waves(system: System) -> None:
    system.open("forge")
    before = len(system.entries())
    with system.database.read() as session:
        plan = opening.plan(session, OpenRequest(["api", "forge", "report"]))
    assert plan.waves == [["db", "job"], ["api", "report"]]
    assert (plan.already_on, plan.missing_images) == (["forge"], [])
    assert len(system.entries()) == before
