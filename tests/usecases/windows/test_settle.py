"""How openings go: all, some, none; and what becomes of an open window whose services change."""

from __future__ import annotations

import pytest

from app.domain.enums import Power
from app.usecases.windows import transitions
from tests.system import System, WorkerKilled, names


def test_a_window_is_open_when_its_services_are_ready(house: System) -> None:
    window = house.open("forge", "mill")
    assert (house.state(window), house.status(window)) == ("open", "ok")
    assert house.trail(window) == [
        "window.opening",
        *["call.started", "call.finished"] * 2,
        *["service.ready"] * 2,
        "window.open",
    ]
    assert house.intact()


def test_a_window_waits_for_a_healthcheck_and_dependants_wait_with_it(house: System) -> None:
    window = house.open("api")
    assert (house.state(window), house.status(window), house.made) == ("opening", None, ["up db"])
    assert house.lease(window, "api").detail == "waits for db to be healthy"

    house.heal("db")
    assert (house.state(window), house.made) == ("open", ["up db", "up api"])


def test_some_of_them_is_partial_and_stays_open(house: System) -> None:
    house.will_not_start.add("forge")
    window = house.open("forge", "mill")
    assert (house.state(window), house.status(window)) == ("open", "partial")
    assert "No such image" in house.lease(window, "forge").detail
    assert names(house.made, "up") == ["forge", "mill"]


def test_none_of_them_is_fail_and_closes_by_itself(house: System) -> None:
    house.will_not_start.add("forge")
    window = house.open("forge")
    assert (house.state(window), house.status(window)) == ("closed", "fail")
    assert "No such image" in (house.window(window).close_detail or "")


def test_no_engine_is_fail_and_what_was_begun_is_undone_when_it_is_back(house: System) -> None:
    house.away = True
    window = house.open("forge")
    assert (house.state(window), house.status(window)) == ("closing", "fail")

    house.away = False
    house.tick(300)
    assert (house.state(window), house.row("forge").owed) == ("closed", False)


def test_an_open_window_follows_its_services_and_never_closes_by_itself(house: System) -> None:
    window = house.open("forge")
    house.finish("forge", code=1)
    assert (house.state(window), house.status(window)) == ("open", "partial")
    assert house.lease(window, "forge").power == Power.FAILING

    house.run_by_hand("forge")
    assert (house.state(window), house.status(window)) == ("open", "ok")
    assert house.trail(window)[-3:] == ["service.failing", "drift.found", "service.ready"]


def test_at_closing_the_status_stays_as_it_was(house: System) -> None:
    window = house.open("forge")
    house.close(window)
    assert house.status(window) == "ok"


def test_a_service_whose_dependency_fails_is_not_started_and_says_so(house: System) -> None:
    house.will_crash.add("db")
    window = house.open("api", "forge")
    assert (house.status(window), names(house.made, "up")) == ("partial", ["db", "forge"])
    assert house.lease(window, "api").detail == "needs db, which is failing: exited with code 1"


def test_core_that_is_down_fails_what_needs_it_and_is_never_started(house: System) -> None:
    house.finish("redis", code=1)
    window = house.open("api")
    assert (house.state(window), house.status(window), house.made) == ("closed", "fail", [])
    assert "core service redis" in (house.window(window).close_detail or "")
    assert "drift.found" in house.trail()


def test_a_one_shot_runs_once_a_window_and_counts_as_ready(house: System) -> None:
    window = house.open("report")
    assert house.made == ["up job"]
    house.finish("job")
    assert (house.state(window), house.made) == ("open", ["up job", "up report"])
    assert house.power("job") is Power.DONE

    other = house.open("job")
    assert (house.state(other), names(house.made, "up")) == ("open", ["job", "report"])

    house.close(window)
    house.close(other)
    again = house.open("job")
    assert (house.state(again), names(house.made, "up")) == ("opening", ["job", "report", "job"])


def test_a_one_shot_that_fails_shuts_the_way(house: System) -> None:
    window = house.open("report")
    house.finish("job", code=3)
    assert (house.state(window), house.status(window)) == ("closed", "fail")
    assert "up report" not in house.made


def test_a_start_that_timed_out_is_tried_again_once(house: System) -> None:
    house.times_out.add("forge")
    window = house.open("forge")
    assert (house.state(window), names(house.made, "up")) == ("open", ["forge", "forge"])


def test_a_call_that_was_lost_is_on_record_and_the_truth_is_looked_up(house: System) -> None:
    house.dies_at = "up forge"
    with pytest.raises(WorkerKilled):
        house.open("forge")
    assert house.row("forge").unsure

    house.restart_worker()
    assert "call.lost" in house.trail()
    assert [one for one in house.trail() if one == "window.open"]


def test_a_lost_start_is_undone_by_a_stop_though_nothing_is_seen_running(house: System) -> None:
    house.dies_at = "up forge"
    with pytest.raises(WorkerKilled):
        house.open("forge", ttl=60)
    house.dies_at = ""
    house.made.clear()
    window = house.entries()[-1].window_id
    assert window
    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now)
    house.restart_worker()
    assert house.made == ["stop forge"]
    assert (house.state(window), house.row("forge").owed, house.row("forge").unsure) == (
        "closed",
        False,
        False,
    )


def test_a_start_that_comes_up_late_is_turned_off(house: System) -> None:
    house.times_out.add("forge")
    house.will_not_start.add("forge")
    window = house.open("forge")
    assert house.status(window) == "fail"
    house.run_by_hand("forge")
    assert house.state(window) == "closed"
