"""Steps run as soon as what they depend on has passed, and no step runs after a failure it depends on."""

from __future__ import annotations

from app.domain import scenarios
from app.domain.scenarios import CheckKind, ScenarioStep, StepStatus, TcpCheck


def steps(**depends_on: str) -> dict[str, ScenarioStep]:
    return {
        name: ScenarioStep(name, CheckKind.TCP, TcpCheck("127.0.0.1", 80), depends_on=tuple(others.split()))
        for name, others in depends_on.items()
    }


DIAMOND = steps(top="", left="top", right="top", bottom="left right", alone="")


def statuses(**changes: StepStatus) -> dict[str, StepStatus]:
    return dict.fromkeys(DIAMOND, StepStatus.PENDING) | changes


def test_steps_without_dependencies_begin_together() -> None:
    assert scenarios.steps_to_start(DIAMOND, statuses()) == ["top", "alone"]


def test_a_step_waits_for_all_that_it_depends_on() -> None:
    passed = statuses(top=StepStatus.PASSED, alone=StepStatus.RUNNING)
    assert scenarios.steps_to_start(DIAMOND, passed) == ["left", "right"]
    half = passed | {"left": StepStatus.PASSED, "right": StepStatus.RUNNING}
    assert scenarios.steps_to_start(DIAMOND, half) == []
    assert scenarios.steps_to_start(DIAMOND, half | {"right": StepStatus.PASSED}) == ["bottom"]


def test_what_depends_on_a_failed_step_is_skipped_at_any_distance() -> None:
    failed = statuses(top=StepStatus.FAILED)
    assert scenarios.steps_to_start(DIAMOND, failed) == ["alone"]
    assert scenarios.steps_to_skip(DIAMOND, failed) == {"left": "top", "right": "top", "bottom": "left"}


def test_a_step_listed_before_its_dependency_is_skipped_too() -> None:
    backwards = steps(last="middle", middle="first", first="")
    failed = dict.fromkeys(backwards, StepStatus.PENDING) | {"first": StepStatus.FAILED}
    assert scenarios.steps_to_skip(backwards, failed) == {"middle": "first", "last": "middle"}


def test_a_cycle_is_named_and_no_cycle_is_none() -> None:
    assert scenarios.find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) in (["b", "c", "b"], ["c", "b", "c"])
    assert scenarios.find_cycle({"a": ["a"]}) == ["a", "a"]
    assert scenarios.find_cycle({name: step.depends_on for name, step in DIAMOND.items()}) == []


def test_a_value_of_a_json_document_is_found_by_its_path() -> None:
    document = {"items": [{"name": "forge"}], "count": 0, "none": None}
    assert scenarios.value_at(document, "items.0.name") == (True, "forge")
    assert scenarios.value_at(document, "count") == (True, 0)
    assert scenarios.value_at(document, "none") == (True, None)
    for path in ("items.1.name", "items.name", "count.0", "missing", "items.0.name.0"):
        assert scenarios.value_at(document, path) == (False, None)


def test_a_described_check_has_no_header_and_no_body() -> None:
    check = scenarios.HttpCheck("http://a/", "POST", {"Authorization": "secret"}, "secret")
    assert scenarios.describe_check(check) == "POST http://a/"
