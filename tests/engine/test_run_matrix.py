"""A matrix on real containers: two combinations, two runs of each, one summary."""

from __future__ import annotations

from app.domain.run_samples import sample_report
from app.reports.matrix_summary import CombinationRuns, build_summary
from app.settings.scenario_matrix import expand_matrix
from tests.engine.runs import conduct
from tests.engine.stacks import Stack, running

SCENARIO = {
    "name": "cycle",
    "ttl": 60,
    "steps": {
        "answers": {"exec": {"service": "forge", "argv": ["python3", "-c", "print('${WORD}')"],
                             "pattern": "^ready$"}},
    },
}  # fmt: skip
MATRIX = {"services": [["forge", "mill"]], "variables": {"WORD": ["ready", "late"]}}


def test_each_combination_has_its_own_flake_rate(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    combinations = expand_matrix(SCENARIO, MATRIX, "cycle.toml")
    made = [CombinationRuns(one.label, one.services, one.variables) for one in combinations]
    for _round in range(2):
        for one, runs in zip(combinations, made, strict=True):
            row = conduct(stack, *one.services, steps=one.document["steps"])
            assert row.report
            runs.add(sample_report(row.report), None)

    summary = build_summary("cycle", 2, made, began_at="", finished_at="")
    rates = {
        (one["label"], subject["name"]): (subject["failures"], subject["runs"])
        for one in summary["combinations"]
        for subject in one["subjects"]
    }
    ready, late = "forge mill, WORD=ready", "forge mill, WORD=late"
    assert rates == {
        (ready, "run"): (0, 2),
        (ready, "forge"): (0, 2),
        (ready, "mill"): (0, 2),
        (ready, "answers"): (0, 2),
        (late, "run"): (2, 2),
        (late, "forge"): (0, 2),
        (late, "mill"): (0, 2),
        (late, "answers"): (2, 2),
    }
    starts = [run["services"]["forge"]["seconds"] for one in summary["combinations"] for run in one["runs"]]
    assert len(starts) == 4
    assert all(seconds > 0 for seconds in starts)
    assert stack.alive() == set()
