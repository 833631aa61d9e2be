"""What is read from the reports of runs to be counted and compared: outcomes, start times, steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from app.domain import run_statistics
from app.domain.run_statistics import Change, FlakeRate, MedianComparison, RateComparison
from app.domain.scenarios import RunOutcome, StepStatus

WHOLE_RUN = "run"
"""The subject that stands for a run as a whole."""


@dataclass(frozen=True, slots=True)
class SubjectOutcome:
    """One run's outcome for one subject; `seconds` is None where it has no duration."""

    passed: bool
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RunSample:
    """One run. `services` has start times, `steps` the time from the first try's start to the last one's end.

    Steps that were skipped are left out. A run that was cut or refused has no sample of anything.
    """

    id: str
    outcome: str
    detail: str = ""
    services: Mapping[str, SubjectOutcome] = field(default_factory=dict)
    steps: Mapping[str, SubjectOutcome] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its own end, so that it counts."""
        return self.outcome in {RunOutcome.PASSED, RunOutcome.FAILED}


def sample_report(report: Mapping[str, Any]) -> RunSample:
    """Read a report of a run; raises KeyError, TypeError, ValueError or AttributeError where it is none."""
    run = report["run"]
    services = {
        str(name): SubjectOutcome(
            one["start_sec"] is not None, None if one["start_sec"] is None else float(one["start_sec"])
        )
        for name, one in report["services"].items()
    }
    steps = {
        str(one["name"]): SubjectOutcome(one["status"] == StepStatus.PASSED, _step_seconds(one["attempts"]))
        for one in report["steps"]
        if one["status"] in {StepStatus.PASSED, StepStatus.FAILED}
    }
    return RunSample(str(run["id"]), str(run["outcome"]), str(run["detail"]), services, steps)


def _step_seconds(attempts: Sequence[Mapping[str, Any]]) -> float | None:
    if not attempts:
        return None
    first, last = (datetime.fromisoformat(attempts[at]["at"]) for at in (0, -1))
    return round((last - first).total_seconds() + float(attempts[-1]["elapsed_ms"]) / 1000, 3)


@dataclass(frozen=True, slots=True)
class SubjectSummary:
    """The flake rate of one subject, and the median of its durations over the runs in which it passed."""

    kind: str
    """`run`, `service` or `step`."""
    name: str
    flake: FlakeRate
    median_sec: float | None
    times: tuple[float, ...]


def summarize_runs(runs: Iterable[RunSample]) -> list[SubjectSummary]:
    """The runs as a whole, then each service and each step, in the order of the first run that has it."""
    complete = [one for one in runs if one.is_complete]
    whole = [SubjectOutcome(one.outcome == RunOutcome.PASSED, None) for one in complete]
    return [
        _summarize(WHOLE_RUN, WHOLE_RUN, whole),
        *_summarize_each("service", complete, lambda run: run.services),
        *_summarize_each("step", complete, lambda run: run.steps),
    ]


def _summarize_each(
    kind: str, runs: Sequence[RunSample], samples_of: Callable[[RunSample], Mapping[str, SubjectOutcome]]
) -> list[SubjectSummary]:
    names = dict.fromkeys(name for run in runs for name in samples_of(run))
    return [
        _summarize(kind, name, [samples_of(run)[name] for run in runs if name in samples_of(run)])
        for name in names
    ]


def _summarize(kind: str, name: str, samples: Sequence[SubjectOutcome]) -> SubjectSummary:
    times = tuple(one.seconds for one in samples if one.passed and one.seconds is not None)
    flake = run_statistics.flake_rate(sum(not one.passed for one in samples), len(samples))
    return SubjectSummary(kind, name, flake, median(times) if times else None, times)


@dataclass(frozen=True, slots=True)
class SubjectComparison:
    """One subject of two series of runs; `duration` is None where neither series has a duration of it."""

    kind: str
    name: str
    rate: RateComparison
    duration: MedianComparison | None

    @property
    def changes(self) -> set[Change]:
        """What both tests show."""
        return {self.rate.change} | ({self.duration.change} if self.duration else set())


def compare_runs(before: Iterable[RunSample], after: Iterable[RunSample]) -> list[SubjectComparison]:
    """Compare each subject that either series has."""
    old, new = ({(one.kind, one.name): one for one in summarize_runs(runs)} for runs in (before, after))
    comparisons = []
    for kind, name in dict.fromkeys([*old, *new]):
        absent = SubjectSummary(kind, name, run_statistics.flake_rate(0, 0), None, ())
        first, second = old.get((kind, name), absent), new.get((kind, name), absent)
        timed = first.times or second.times
        duration = run_statistics.compare_medians(first.times, second.times) if timed else None
        rate = run_statistics.compare_rates(first.flake, second.flake)
        comparisons.append(SubjectComparison(kind, name, rate, duration))
    return comparisons
