"""How openings go: all, some, none; and what becomes of an open window whose services change."""

from __future__ import annotations

import pytest

from app.domain.enums import Power
from app.usecases.windows import close as closing
from tests.system import System, WorkerKilled, names


def test_a_window_is_open_when_its_services_are_ready(system: System) -> None:
    window = system.open("forge", "mill")
    assert (system.state(window), system.status(window)) == ("open", "ok")
    assert system.trail(window) == [
        "window.opening",
        *["call.started", "call.finished"] * 2,
        *["service.ready"] * 2,
        "window.open",
    ]
    assert system.intact()


def test_a_window_waits_for_a_healthcheck_and_dependants_wait_with_it(system: System) -> None:
    window = system.open("api")
    assert (system.state(window), system.status(window), system.made) == ("opening", None, ["up db"])
    assert system.lease(window, "api").detail == "waits for db to be healthy"

    system.heal("db")
    assert (system.state(window), system.made) == ("open", ["up db", "up api"])


def test_some_of_them_is_partial_and_stays_open(system: System) -> None:
    system.will_not_start.add("forge")
    window = system.open("forge", "mill")
    assert (system.state(window), system.status(window)) == ("open", "partial")
    assert "No such image" in system.lease(window, "forge").detail
    assert names(system.made, "up") == ["forge", "mill"]


def test_none_of_them_is_fail_and_closes_by_itself(system: System) -> None:
    system.will_not_start.add("forge")
    window = system.open("forge")
    assert (system.state(window), system.status(window)) == ("closed", "fail")
    assert "No such image" in (system.window(window).close_detail or "")


def test_no_engine_is_fail_and_what_was_begun_is_undone_when_it_is_back(system: System) -> None:
    system.away = True
    window = system.open("forge")
    assert (system.state(window), system.status(window)) == ("closing", "fail")

    system.away = False
    system.tick(300)
    assert (system.state(window), system.row("forge").stop_pending) == ("closed", False)


def test_an_open_window_follows_its_services_and_never_closes_by_itself(system: System) -> None:
    window = system.open("forge")
    system.finish("forge", code=1)
    assert (system.state(window), system.status(window)) == ("open", "partial")
    assert system.lease(window, "forge").power == Power.FAILING

    system.run_by_hand("forge")
    assert (system.state(window), system.status(window)) == ("open", "ok")
    assert system.trail(window)[-3:] == ["service.failing", "drift.found", "service.ready"]


def test_at_closing_the_status_stays_as_it_was(system: System) -> None:
    window = system.open("forge")
    system.close(window)
    assert system.status(window) == "ok"


def test_a_service_whose_dependency_fails_is_not_started_and_says_so(system: System) -> None:
    system.will_crash.add("db")
    window = system.open("api", "forge")
    assert (system.status(window), names(system.made, "up")) == ("partial", ["db", "forge"])
    assert system.lease(window, "api").detail == "needs db, which is failing: exited with code 1"


def test_core_that_is_down_fails_what_needs_it_and_is_never_started(system: System) -> None:
    system.finish("redis", code=1)
    window = system.open("api")
    assert (system.state(window), system.status(window), system.made) == ("closed", "fail", [])
    assert "core service redis" in (system.window(window).close_detail or "")
    assert "drift.found" in system.trail()


def test_a_one_shot_runs_once_a_window_and_counts_as_ready(system: System) -> None:
    window = system.open("report")
    assert system.made == ["up job"]
    system.finish("job")
    assert (system.state(window), system.made) == ("open", ["up job", "up report"])
    assert system.power("job") is Power.DONE

    other = system.open("job")
    assert (system.state(other), names(system.made, "up")) == ("open", ["job", "report"])

    system.close(window)
    system.close(other)
    again = system.open("job")
    assert (system.state(again), names(system.made, "up")) == ("opening", ["job", "report", "job"])


def test_a_one_shot_that_fails_shuts_the_way(system: System) -> None:
    window = system.open("report")
    system.finish("job", code=3)
    assert (system.state(window), system.status(window)) == ("closed", "fail")
    assert "up report" not in system.made


def test_a_start_that_timed_out_is_tried_again_once(system: System) -> None:
    system.times_out.add("forge")
    window = system.open("forge")
    assert (system.state(window), names(system.made, "up")) == ("open", ["forge", "forge"])


def test_a_call_that_was_lost_is_on_record_and_the_truth_is_looked_up(system: System) -> None:
    system.dies_at = "up forge"
    with pytest.raises(WorkerKilled):
        system.open("forge")
    assert system.row("forge").unsure

    system.restart_worker()
    assert "call.lost" in system.trail()
    assert [one for one in system.trail() if one == "window.open"]


def test_a_lost_start_is_undone_by_a_stop_though_nothing_is_seen_running(system: System) -> None:
    system.dies_at = "up forge"
    with pytest.raises(WorkerKilled):
        system.open("forge", ttl=60)
    system.dies_at = ""
    system.made.clear()
    window = system.entries()[-1].window_id
    assert window
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now)
    system.restart_worker()
    assert system.made == ["stop forge"]
    assert (system.state(window), system.row("forge").stop_pending, system.row("forge").unsure) == (
        "closed",
        False,
        False,
    )


def test_a_start_that_comes_up_late_is_turned_off(system: System) -> None:
    system.times_out.add("forge")
    system.will_not_start.add("forge")
    window = system.open("forge")
    assert system.status(window) == "fail"
    system.run_by_hand("forge")
    assert system.state(window) == "closed"
