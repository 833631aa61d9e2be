"""Runs on real containers: their reports, fresh beginnings, cancellation, and windows that are let go."""

from __future__ import annotations

import pytest

from app.domain.enums import Event
from app.usecases import runs
from tests.engine.runs import ask, conduct, conducting, finished, row, steps, under_way
from tests.engine.stacks import Stack, docker, exits, python, running, until
from workers.conductor.conductor import Conductor

WAITS = {"waits": {"log": {"service": "forge", "pattern": "never"}, "retries": 1000, "every": 0.2}}


def test_the_report_has_the_run_from_its_beginning_to_the_proof(stack: Stack) -> None:
    stack.write({"redis": running(), "forge": python("while True: pass")}, core=["redis"])
    stack.by_hand("up", "-d", "redis")
    stack.begin()
    waits = {"exec": {"service": "forge", "argv": ["python3", "-c", "import time; time.sleep(3)"]}}
    run = conduct(stack, "forge", steps={"one": waits})

    report = run.report
    assert run.outcome == "passed", run.detail
    assert report
    assert report["proof"]["only_core"]
    assert report["proof"]["running"] == ["redis"]
    assert report["window"]["state"] == "closed"
    assert report["window"]["close_detail"] == f"run {run.id} is over"
    assert [(one["action"], one["status"]) for one in report["calls"]] == [("up", "ok"), ("stop", "ok")]
    assert not any(str(stack.directory) in word for one in report["calls"] for word in one["argv"])
    forge = report["services"]["forge"]
    assert forge["start_sec"] > 0
    assert forge["peak_cpu_percent"] > 20
    assert forge["peak_memory_mib"] > 1
    assert (forge["restarts"], forge["history"]) == (0, [])
    assert len(forge["points"]) >= 2
    powers = [one["detail"] for one in report["timeline"] if one["service"] == "forge"]
    assert powers[-1] == "off"
    assert "on" in powers
    assert report["engine"]["release"]
    assert [one.actor for one in stack.entries(Event.RUN_FINISHED)] == ["ada"]
    assert stack.alive() == {"redis"}

    again = conduct(stack, "forge", steps={})
    assert again.report
    assert again.report["services"]["forge"]["history"] == [forge["start_sec"]]


def test_a_service_that_does_not_come_up_fails_the_run(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": exits(1, saying="No module named 'mill'")}).begin()
    run = conduct(stack, "forge", "mill", steps={"one": {"tcp": {"port": 1}}})

    assert (run.outcome, steps(run)) == ("failed", {"one": "skipped"})
    assert run.detail.startswith("not ready: mill: ")
    assert run.report
    assert run.report["failed_first"]["what"] == "service mill"
    assert "No module named 'mill'" in run.report["failed_first"]["detail"]
    assert stack.alive() == set()


def test_a_run_of_which_nothing_comes_up_has_failed_and_was_not_cut(stack: Stack) -> None:
    stack.write({"mill": exits(1, saying="No module named 'mill'")}).begin()
    run = conduct(stack, "mill", steps={"one": {"tcp": {"port": 1}}})

    assert (run.outcome, steps(run)) == ("failed", {"one": "skipped"})
    assert run.detail.startswith("not ready: mill: ")
    assert run.report
    assert run.report["failed_first"]["what"] == "service mill"


def with_volumes(stack: Stack) -> Stack:
    """A service with a named and an anonymous volume, which counts its starts in both."""
    counts = "import pathlib\nfor at in ('/named', '/nameless'):\n    p = pathlib.Path(at) / 'starts'\n"
    counts += "    p.write_text((p.read_text() if p.exists() else '') + 'x')\nsignal.pause()"
    forge = {**python(counts), "volumes": ["kept:/named", "/nameless"]}
    stack.write({"forge": forge})
    stack.define({"forge": forge}, volumes={"kept": {}})
    return stack.begin()


def starts(named: str, nameless: str) -> dict[str, object]:
    return {
        name: {
            "file": {"service": "forge", "path": f"/{name}/starts", "pattern": f"^{count}$"},
            "retries": 10,
            "every": 0.2,
        }
        for name, count in (("named", named), ("nameless", nameless))
    }


def test_a_fresh_run_has_new_containers_and_keeps_named_volumes(stack: Stack) -> None:
    with_volumes(stack)
    first = conduct(stack, "forge", steps=starts("x", "x"))
    second = conduct(stack, "forge", steps=starts("xx", "xx"))
    third = conduct(stack, "forge", fresh=True, steps=starts("xxx", "x"))

    assert [one.outcome for one in (first, second, third)] == ["passed"] * 3, third.steps
    removals = [call for call in stack.calls("forge") if call.action == "rm"]
    assert len(removals) == 1
    assert list(removals[0].argv)[-5:] == ["rm", "-f", "-v", "--", "forge"]
    assert third.report
    assert third.report["calls"][0]["action"] == "rm"


def test_a_fresh_run_is_refused_where_another_window_holds_a_service(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    before = stack.ids("forge")
    run = conduct(stack, "forge", fresh=True, steps={})

    assert run.outcome == "failed"
    assert run.detail == f"it cannot begin afresh: forge is held by window {window}"
    assert stack.ids("forge") == before


def test_a_fresh_run_is_refused_where_a_service_runs_already(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    stack.by_hand("up", "-d", "forge")
    before = stack.ids("forge")
    run = conduct(stack, "forge", fresh=True, steps={})
    assert "forge runs already" in run.detail
    assert stack.ids("forge") == before


def test_another_window_keeps_its_service_and_the_run_passes(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    other = stack.open("forge")
    stack.opened(other)
    run = conduct(stack, "forge", steps={})

    assert run.outcome == "passed", run.detail
    assert run.report
    assert run.report["proof"]["held_by_others"] == ["forge"]
    assert not run.report["proof"]["only_core"]
    assert stack.alive() == {"forge"}


def test_cancelling_ends_a_run_in_the_midst_of_its_steps(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    run = ask(stack, "forge", steps=WAITS)
    with conducting(stack):
        under_way(stack, run, "runs its steps")
        with stack.database.write() as session:
            runs.cancel_run(session, run, actor="grace", now=stack.database.now())
        stored = finished(stack, run)

    assert (stored.outcome, stored.detail, steps(stored)) == (
        "cut",
        "cancelled by grace",
        {"waits": "skipped"},
    )
    assert stored.report
    assert stored.report["proof"]["only_core"]
    assert stack.alive() == set()
    assert [one.event for one in stack.entries(Event.RUN_CUT)] == ["run.cut"]


def test_a_window_that_ends_before_the_run_cuts_it(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    run = ask(stack, "forge", steps=WAITS, ttl=4)
    with conducting(stack):
        stored = finished(stack, run)
    assert stored.outcome == "cut"
    assert stored.detail.startswith("its window ended")
    assert stack.alive() == set()


@pytest.mark.parametrize("phase", ["waits for its services", "runs its steps"])
def test_a_worker_that_is_stopped_lets_the_window_go(stack: Stack, phase: str) -> None:
    slow = python("time.sleep(2); signal.pause()")
    stack.write({"forge": slow}, tuned={"forge": {"stable_for": 2}}).begin()
    run = ask(stack, "forge", steps=WAITS)
    with conducting(stack):
        under_way(stack, run, phase)
    stored = row(stack, run)

    assert (stored.state, stored.outcome, stored.detail) == ("finished", "cut", "its worker was stopped")
    # Recorded when nothing runs any more, as the engine shows.
    assert stack.alive() == set()
    assert stored.report
    assert stored.report["proof"]["only_core"], stored.report["proof"]


def test_a_run_is_not_finished_by_a_worker_that_ends_before_its_services(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conductor, "end_wait", 1.5)
    slow = python("signal.signal(signal.SIGTERM, lambda *_: (time.sleep(4), os._exit(0)))\nsignal.pause()")
    stack.write({"forge": slow | {"stop_grace_period": "9s"}}).begin()
    run = ask(stack, "forge", steps=WAITS)
    with conducting(stack):
        under_way(stack, run, "runs its steps")
    assert (row(stack, run).state, stack.alive()) == ("running", {"forge"})

    with conducting(stack):
        stored = finished(stack, run)
        assert stack.alive() == set()
    assert (stored.outcome, stored.detail) == ("cut", "its worker was stopped")


def test_runs_beyond_the_limit_wait_for_their_turn(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    asked = [ask(stack, "forge", steps={}) for _ in range(6)]
    with conducting(stack):
        assert [finished(stack, run).outcome for run in asked] == ["passed"] * 6
    until(lambda: docker("ps", "-q", "--filter", f"name={stack.project}") == "", "all is off")
