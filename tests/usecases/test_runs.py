"""A run is a row with its audit entries, on both databases; its window closes with it, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.enums import State
from app.domain.errors import NotAllowed, TTLTooLong
from app.domain.run_errors import (
    CheckOutsideWindow,
    HeldElsewhere,
    ImageInUse,
    ImageNotPermitted,
    ImageOutsideWindow,
    InvalidScenario,
    TooManyRuns,
    UnknownRun,
)
from app.domain.scenarios import RunOutcome, RunState
from app.settings.scenario_toml import parse_scenario
from app.store import runs as rows
from app.store.tables import ScenarioRun, Window
from app.usecases import jobs, runs
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.system import System


def document(*services: str, **more: Any) -> dict[str, Any]:
    return {"name": "cycle", "services": list(services), **more}


def start(system: System, *services: str, **more: Any) -> str:
    with system.database.write() as session:
        return runs.start_run(session, document(*services, **more), actor="ada", now=system.now).id


def row(system: System, run: str) -> ScenarioRun:
    with system.database.read() as session:
        stored = rows.with_report(session, run)
        assert stored
        return stored


def begin(system: System, run: str) -> str:
    """A worker claims the run and opens its window."""
    with system.database.write() as session:
        claimed = runs.claim_run(session, run, "worker-1", system.now)
        assert claimed
        scenario = parse_scenario(claimed.document, "run")
    with system.database.write() as session:
        window = runs.open_run_window(session, run, scenario, system.now)
        assert window
        return window.id


def finish(system: System, run: str, outcome: RunOutcome, **more: Any) -> bool:
    with system.database.write() as session:
        return runs.finish_run(session, run, outcome, "done", report={"version": 1}, now=system.now, **more)


FORGE_LOG = {"quiet": {"log": {"service": "forge", "pattern": "x"}}}


def test_a_run_is_queued_with_its_entry(system: System) -> None:
    run = start(system, "forge", steps=FORGE_LOG, ttl="1m")

    stored = row(system, run)
    assert (stored.state, stored.node, stored.actor, stored.services) == ("queued", "local", "ada", ["forge"])
    assert stored.document["ttl"] == 60
    assert [one["status"] for one in stored.steps] == ["pending"]
    assert system.said("run.started")[-1].actor == "ada"
    assert system.facts("run.started")["run"] == run


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (document("secret"), NotAllowed),
        (document("redis"), NotAllowed),
        (document("forge", ttl="3h"), TTLTooLong),
        (document("forge", steps={"one": {"log": {"service": "mill", "pattern": "x"}}}), CheckOutsideWindow),
        (document("api", steps={"one": {"exec": {"service": "redis", "argv": ["sh"]}}}), CheckOutsideWindow),
        (document("forge", steps={"one": {}}), InvalidScenario),
        ("no document", InvalidScenario),
    ],
)
def test_what_a_window_may_not_hold_is_refused(system: System, given: Any, refusal: type[Exception]) -> None:
    with pytest.raises(refusal), system.database.write() as session:
        runs.start_run(session, given, actor="ada", now=system.now)
    assert not system.said("run.started")


def test_a_check_may_look_into_a_dependency_that_is_opened_along(system: System) -> None:
    assert start(system, "api", steps={"one": {"log": {"service": "db", "pattern": "x"}}})


def test_a_node_has_only_so_many_unfinished_runs(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_UNFINISHED", 1)
    start(system, "forge")
    with pytest.raises(TooManyRuns):
        start(system, "forge")


def test_a_run_is_claimed_once(system: System) -> None:
    run = start(system, "forge")
    begin(system, run)
    with system.database.write() as session:
        assert runs.claim_run(session, run, "worker-2", system.now) is None
        assert runs.take_over_run(session, run, "worker-3", "worker-2") is None
        assert runs.take_over_run(session, run, "worker-1", "worker-2")


def test_the_window_of_a_run_is_its_actors(system: System) -> None:
    run = start(system, "forge", ttl=90)
    window = system.window(begin(system, run))
    assert (window.actor, window.reason, window.ttl_sec) == ("ada", f"run {run}: cycle", 90)
    assert row(system, run).window_id == window.id


def test_a_finished_run_keeps_no_secret_of_its_requests(system: System) -> None:
    request = {"url": "http://127.0.0.1/", "headers": {"Authorization": "Bearer x"}, "body": "password"}
    run = start(system, "forge", steps={"one": {"http": request}})
    assert row(system, run).document["steps"]["one"]["http"]["body"] == "password"
    begin(system, run)

    assert finish(system, run, RunOutcome.PASSED)
    assert row(system, run).document["steps"]["one"]["http"].keys() & {"headers", "body"} == set()
    assert row(system, run).report == {"version": 1}
    assert system.facts("run.finished")["outcome"] == "passed"
    assert not finish(system, run, RunOutcome.FAILED)


def test_a_cut_run_has_its_own_word(system: System) -> None:
    run = start(system, "forge")
    begin(system, run)
    finish(system, run, RunOutcome.CUT)
    assert (len(system.said("run.cut")), len(system.said("run.finished"))) == (1, 0)


def cancel(system: System, run: str) -> None:
    with system.database.write() as session:
        runs.cancel_run(session, run, actor="grace", now=system.now)


def test_a_queued_run_is_cut_at_once(system: System) -> None:
    run = start(system, "forge")
    cancel(system, run)
    stored = row(system, run)
    assert (stored.state, stored.outcome, stored.cancelled_by) == (RunState.FINISHED, RunOutcome.CUT, "grace")


def test_cancelling_closes_the_window_and_leaves_the_rest_to_the_worker(system: System) -> None:
    run = start(system, "forge")
    window = begin(system, run)
    system.work()
    cancel(system, run)
    system.work()

    assert system.state(window) == "closed"
    assert system.running() == {"redis"}
    assert (row(system, run).state, row(system, run).cancelled_by) == (RunState.RUNNING, "grace")
    cancel(system, run)
    finish(system, run, RunOutcome.CUT)
    cancel(system, run)
    assert row(system, run).outcome == RunOutcome.CUT


def test_a_run_that_was_cancelled_gets_no_window(system: System) -> None:
    run = start(system, "forge")
    with system.database.write() as session:
        claimed = runs.claim_run(session, run, "worker-1", system.now)
        assert claimed
        scenario = parse_scenario(claimed.document, "run")
    cancel(system, run)
    with system.database.write() as session:
        assert runs.open_run_window(session, run, scenario, system.now) is None
    assert not system.said("window.opening")


def test_an_unknown_run_is_refused(system: System) -> None:
    with pytest.raises(UnknownRun):
        cancel(system, "0123")


def test_progress_is_stored_only_while_a_run_is_under_way(system: System) -> None:
    run = start(system, "forge", steps=FORGE_LOG)
    begin(system, run)
    steps = [{**one, "status": "passed"} for one in row(system, run).steps]
    with system.database.write() as session:
        rows.note_progress(session, run, "checks", steps)
    assert (row(system, run).detail, row(system, run).steps) == ("checks", steps)
    finish(system, run, RunOutcome.PASSED)
    with system.database.write() as session:
        rows.note_progress(session, run, "late", [])
    assert row(system, run).detail == "done"


def test_start_times_are_those_of_earlier_windows(system: System) -> None:
    for _ in range(2):
        system.close(system.open("forge", "db"))
    last = system.open("forge")
    with system.database.read() as session:
        start_times = rows.start_times(session, system.window(last), 10)
    assert [len(times) for times in start_times.values()] == [2]
    assert all(seconds > 0 for seconds in start_times["forge"])


def test_old_runs_are_forgotten_and_unfinished_ones_are_not(system: System) -> None:
    over, queued = start(system, "forge"), start(system, "forge")
    cancel(system, over)
    with system.database.write() as session:
        rows.forget(session, system.now)
        assert rows.get(session, over)
    system.tick(60)
    with system.database.write() as session:
        rows.forget(session, system.now)
        assert rows.get(session, over) is None
        assert rows.get(session, queued)


WITH_IMAGE = {"images": {"forge": "shop/forge:2"}}


@pytest.fixture
def permitting(system: System) -> System:
    """power.toml permits other images for forge."""
    forge = replace(system.spec.services["forge"], images=("shop/forge:*",))
    system.publish(replace(system.spec, services={**system.spec.services, "forge": forge}))
    return system


@pytest.mark.parametrize(
    ("images", "refusal"),
    [
        ({"mill": "shop/mill:2"}, ImageOutsideWindow),
        ({"forge": "shop/other:2"}, ImageNotPermitted),
        ({"forge": "shop/forge:2 --privileged"}, InvalidScenario),
        ({"forge": "-v"}, InvalidScenario),
        ({"forge": "shop/forge:$X"}, InvalidScenario),
    ],
)
def test_only_images_that_power_toml_permits_are_run(
    permitting: System, images: dict[str, str], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        start(permitting, "forge", images=images)


def test_no_image_is_permitted_unless_power_toml_says_so(system: System) -> None:
    with pytest.raises(ImageNotPermitted, match="none is; power"):
        start(system, "forge", **WITH_IMAGE)


def test_a_service_with_the_image_of_a_run_is_held_by_no_other_window(permitting: System) -> None:
    run = start(permitting, "forge", **WITH_IMAGE)
    assert permitting.facts("run.started")["images"] == {"forge": "shop/forge:2"}
    window = begin(permitting, run)
    with permitting.database.read() as session:
        assert rows.images_of(session, "local", window) == {"forge": "shop/forge:2"}
        assert rows.images_of(session, "local", "another") == {}

    with pytest.raises(ImageInUse):
        permitting.ask("forge")
    with permitting.database.write() as session, pytest.raises(ImageInUse):
        opening.plan(session, OpenRequest(["forge"]))
    permitting.ask("mill")
    permitting.work()
    permitting.close(window)
    assert permitting.state(window) == "closed"
    permitting.ask("forge")


def test_a_run_gives_no_image_to_a_service_that_a_window_holds(permitting: System) -> None:
    held = permitting.open("forge")
    run = start(permitting, "forge", **WITH_IMAGE)
    with pytest.raises(HeldElsewhere, match=f"forge is held by window {held}"):
        begin(permitting, run)


def test_a_window_that_waited_for_its_node_waits_for_the_run_too(permitting: System) -> None:
    waiting, _new = permitting.ask("forge")
    with permitting.database.write() as session:
        session.get_one(Window, waiting).state = State.WAITING
    window = begin(permitting, start(permitting, "forge", **WITH_IMAGE))

    def admit() -> str:
        with permitting.database.write() as session:
            opening.admit(session, waiting, permitting.now)
        return permitting.state(waiting)

    assert admit() == "waiting"
    permitting.close(window)
    assert admit() == "opening"
