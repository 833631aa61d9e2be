"""Steps run in parallel, are retried, and leave none behind when the run is interrupted."""

from __future__ import annotations

import threading
from collections import Counter

from app.domain.scenarios import CheckKind, Scenario, ScenarioStep, TcpCheck
from app.usecases.runs import initial_steps
from tests.system import NOON
from workers.conductor.network_checks import Verdict
from workers.conductor.run_record import MOST_TRIES, RunRecord
from workers.conductor.step_runner import TryCheck, run_steps


def scenario(*steps: ScenarioStep) -> Scenario:
    return Scenario("cycle", ("forge",), {step.name: step for step in steps})


def step(name: str, *depends_on: str, retries: int = 0) -> ScenarioStep:
    check = TcpCheck("127.0.0.1", 1)
    return ScenarioStep(name, CheckKind.TCP, check, retries, every=0.001, depends_on=depends_on)


def run(
    scenario: Scenario, try_check: TryCheck, interrupted: threading.Event | None = None
) -> tuple[bool, RunRecord]:
    record = RunRecord(initial_steps(scenario))
    return run_steps(scenario, record, try_check, interrupted or threading.Event(), lambda: NOON), record


def test_steps_that_do_not_depend_on_each_other_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(_step: ScenarioStep) -> Verdict:
        both.wait()
        return True, "met"

    passed, record = run(scenario(step("one"), step("two")), meet)
    assert passed
    assert set(record.statuses().values()) == {"passed"}


def test_a_step_begins_after_what_it_depends_on() -> None:
    order: list[str] = []

    def note(one: ScenarioStep) -> Verdict:
        order.append(one.name)
        return True, ""

    run(scenario(step("last", "middle"), step("middle", "first"), step("first")), note)
    assert order == ["first", "middle", "last"]


def test_a_step_is_tried_again_until_it_passes() -> None:
    tries = Counter[str]()

    def third_time(one: ScenarioStep) -> Verdict:
        tries[one.name] += 1
        return tries[one.name] == 3, f"try {tries[one.name]}"

    passed, record = run(scenario(step("one", retries=5)), third_time)
    assert passed
    assert record.step_rows()[0]["tries"] == 3
    assert [one["ok"] for one in record.reported_steps()[0]["attempts"]] == [False, False, True]


def test_a_step_fails_after_its_last_retry_and_the_first_failure_is_remembered() -> None:
    passed, record = run(
        scenario(step("one", retries=2), step("two", "one")), lambda one: (False, f"{one.name} is bad")
    )
    assert not passed
    assert record.statuses() == {"one": "failed", "two": "skipped"}
    assert record.step_rows()[0]["tries"] == 3
    assert record.failed_first is not None
    assert record.failed_first["what"] == "step one"
    assert record.step_rows()[1]["detail"] == "one has not passed"


def test_an_interrupted_run_skips_what_has_not_ended() -> None:
    interrupted = threading.Event()

    def interrupt(_step: ScenarioStep) -> Verdict:
        interrupted.set()
        return False, "not yet"

    passed, record = run(scenario(step("one", retries=1000), step("two", "one")), interrupt, interrupted)
    assert not passed
    assert record.statuses() == {"one": "skipped", "two": "skipped"}


def test_a_report_has_the_first_try_and_the_last_ones() -> None:
    tries = Counter[str]()

    def count(one: ScenarioStep) -> Verdict:
        tries[one.name] += 1
        return False, str(tries[one.name])

    _passed, record = run(scenario(step("one", retries=99)), count)
    details = [one["detail"] for one in record.reported_steps()[0]["attempts"]]
    assert len(details) == MOST_TRIES
    assert (details[0], details[-1], record.step_rows()[0]["tries"]) == ("1", "100", 100)
