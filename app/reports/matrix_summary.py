"""The summary of repeated runs: per combination the flake rates and median times, as JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.domain import run_samples
from app.domain.run_samples import RunSample, SubjectOutcome, SubjectSummary
from app.domain.run_statistics import FlakeRate
from app.domain.untrusted_text import as_json
from app.reports.markdown import markdown_table, plain_text

SUMMARY_VERSION = 1
"""The version of the summary's form."""
SUMMARY_HEADS = ("combination", "what", "runs", "failed", "flake rate (95 %)", "median")
"""The columns of `summary_rows`."""


@dataclass
class CombinationRuns:
    """One combination of a scenario with the runs made of it so far."""

    label: str
    services: Sequence[str]
    variables: Mapping[str, str]
    runs: list[RunSample] = field(default_factory=list)
    reports: list[str | None] = field(default_factory=list)
    """The report of each run as a path from the summary; None where it has none."""

    def add(self, run: RunSample, report: str | None) -> None:
        """Add a run with its report."""
        self.runs.append(run)
        self.reports.append(report)


def build_summary(
    name: str, times: int, combinations: Sequence[CombinationRuns], *, began_at: str, finished_at: str
) -> dict[str, Any]:
    """The summary as JSON values; `complete` is false where runs are missing."""
    return {
        "version": SUMMARY_VERSION,
        "name": name,
        "times": times,
        "began_at": began_at,
        "finished_at": finished_at,
        "complete": all(len(one.runs) == times for one in combinations),
        "combinations": [_combination(one) for one in combinations],
    }


def _combination(one: CombinationRuns) -> dict[str, Any]:
    return {
        "label": one.label,
        "services": list(one.services),
        "variables": dict(one.variables),
        "uncounted": sum(not run.is_complete for run in one.runs),
        "subjects": [_subject(subject) for subject in run_samples.summarize_runs(one.runs)],
        "runs": [
            {**asdict(run), "report": report} for run, report in zip(one.runs, one.reports, strict=True)
        ],
    }


def _subject(subject: SubjectSummary) -> dict[str, Any]:
    flake = subject.flake
    return {
        "kind": subject.kind,
        "name": subject.name,
        "runs": flake.runs,
        "failures": flake.failures,
        "flake_rate": flake.rate,
        "flake_low": round(flake.low, 6),
        "flake_high": round(flake.high, 6),
        "median_sec": subject.median_sec,
    }


def read_summary(summary: Mapping[str, Any]) -> dict[str, list[RunSample]]:
    """The runs of a summary by the label of their combination.

    Raises KeyError, TypeError, ValueError or AttributeError where it is none.
    """
    return {
        str(one["label"]): [
            RunSample(
                str(run["id"]),
                str(run["outcome"]),
                str(run["detail"]),
                _samples(run["services"]),
                _samples(run["steps"]),
            )
            for run in one["runs"]
        ]
        for one in summary["combinations"]
    }


def _samples(each: Mapping[str, Any]) -> dict[str, SubjectOutcome]:
    return {
        name: SubjectOutcome(bool(one["passed"]), None if one["seconds"] is None else float(one["seconds"]))
        for name, one in each.items()
    }


def summary_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each combination and subject, under SUMMARY_HEADS."""
    for combination in summary["combinations"]:
        for at, one in enumerate(combination["subjects"]):
            what = one["name"] if one["kind"] == run_samples.WHOLE_RUN else f"{one['kind']} {one['name']}"
            flake = FlakeRate(one["failures"], one["runs"], one["flake_low"], one["flake_high"])
            yield (
                "" if at else combination["label"],
                what,
                str(one["runs"]),
                str(one["failures"]),
                show_flake(flake),
                "–" if one["median_sec"] is None else f"{one['median_sec']:.2f} s",
            )


def show_flake(flake: FlakeRate) -> str:
    """`20 % (6–51 %)`; a dash where nothing ran."""
    if flake.rate is None:
        return "–"
    return f"{flake.rate * 100:.0f} % ({flake.low * 100:.0f}–{flake.high * 100:.0f} %)"


def uncounted_lines(summary: Mapping[str, Any]) -> list[str]:
    """A line for each run that does not count: it was cut, or the server refused it."""
    return [
        f"{combination['label']}: run {run['id'] or '–'} {run['outcome']}: {run['detail']}"
        for combination in summary["combinations"]
        for run in combination["runs"]
        if not RunSample(run["id"], run["outcome"]).is_complete
    ]


def render_summary_json(summary: Mapping[str, Any]) -> str:
    """The summary itself, indented."""
    return as_json(dict(summary), indent=1) + "\n"


def render_summary_markdown(summary: Mapping[str, Any]) -> str:
    """The summary as Markdown, with a link to each run's report."""
    count = sum(len(one["runs"]) for one in summary["combinations"])
    state = "" if summary["complete"] else ", ended before its last run"
    parts = [
        f"# {plain_text(summary['name'])}: {len(summary['combinations'])} × {summary['times']} runs",
        f"{count} runs from {summary['began_at']} to {summary['finished_at']}{state}. "
        "The interval after a flake rate is Wilson's at 95 %. A median covers the runs in which "
        "the step passed or the service became ready.",
        markdown_table(SUMMARY_HEADS, summary_rows(summary)),
    ]
    if lines := uncounted_lines(summary):
        parts += ["Not counted:", "\n".join(f"- {plain_text(line)}" for line in lines)]
    parts += ["## Runs", "\n".join(_run_lines(summary))]
    return "\n\n".join(parts) + "\n"


def _run_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for combination in summary["combinations"]:
        for run in combination["runs"]:
            name = plain_text(run["id"] or "not started")
            linked = f"[{name}]({run['report']})" if run["report"] else name
            why = f" ({plain_text(run['detail'])})" if run["detail"] else ""
            yield f"- {plain_text(combination['label'])}: {linked} {plain_text(run['outcome'])}{why}"
