"""What is counted of a run: complete runs, services that became ready, steps that ran."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.run_samples import RunSample, SubjectOutcome, compare_runs, sample_report, summarize_runs
from app.domain.run_statistics import Change
from tests.reports.sample import sample


def series(count: int, *, outcome: str = "passed", start: float | None = 1.0, **more: Any) -> list[RunSample]:
    forge = [
        SubjectOutcome(start is not None, None if start is None else start + number / 100)
        for number in range(count)
    ]
    return [RunSample(str(at), outcome, services={"forge": one}, **more) for at, one in enumerate(forge)]


def test_a_report_has_start_times_and_the_time_of_each_step_that_ran() -> None:
    sample_of_report = sample_report(sample())
    assert (sample_of_report.id, sample_of_report.outcome, sample_of_report.detail) == (
        "0123456789abcdef",
        "failed",
        "failed: answers",
    )
    assert sample_of_report.services == {
        "forge": SubjectOutcome(True, 1.8),
        "mill": SubjectOutcome(False, None),
    }
    assert sample_of_report.steps == {
        "listens": SubjectOutcome(True, 0.003),
        "answers": SubjectOutcome(False, 1.5),
    }


def test_runs_that_were_cut_do_not_count() -> None:
    runs = [*series(3), *series(1, outcome="failed"), *series(2, outcome="cut")]
    whole, forge = summarize_runs(runs)
    assert (whole.kind, whole.flake.failures, whole.flake.runs) == ("run", 1, 4)
    assert (forge.name, forge.flake.runs) == ("forge", 4)
    assert forge.median_sec == pytest.approx(1.005)


def test_the_median_is_that_of_runs_in_which_it_passed() -> None:
    steps = {"answers": SubjectOutcome(False, 300.0)}
    runs = [*series(3, steps={"answers": SubjectOutcome(True, 2.0)}), *series(1, steps=steps)]
    assert summarize_runs(runs)[-1].median_sec == 2.0


def changes(before: list[RunSample], after: list[RunSample]) -> dict[str, set[Change]]:
    return {one.name: one.changes for one in compare_runs(before, after)}


def test_what_became_slower_or_broke_is_named() -> None:
    assert changes(series(6), series(6, start=3.0))["forge"] == {Change.NONE, Change.SLOWER}
    broken = changes(series(6), series(6, outcome="failed", start=None))
    assert broken == {"run": {Change.BROKE}, "forge": {Change.BROKE, Change.TOO_FEW}}


def test_what_only_one_side_has_is_not_judged() -> None:
    steps = {"answers": SubjectOutcome(True, 2.0)}
    assert changes(series(6), series(6, steps=steps))["answers"] == {Change.TOO_FEW}
