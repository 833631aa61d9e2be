"""`power conduct compare`: what became slower or broke between two series of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.cli import output
from app.domain import run_samples, run_statistics
from app.domain.run_samples import RunSample, SubjectComparison, sample_report
from app.domain.run_statistics import WORSE, Change, MedianComparison
from app.domain.scenarios import RunState
from app.reports import matrix_summary
from power_windows.errors import Refused, WrongUsage
from power_windows.rest import connect
from power_windows.runs import RunRoutes

MOST_COMPARED = 200
"""Runs of the server on each side, at most; the newest ones."""
ALL_RUNS = ""
"""The label of runs that belong to no combination."""
_BROKEN_FILE = (KeyError, TypeError, ValueError, AttributeError)

Series = Mapping[str, list[RunSample]]
"""Runs by the label of their combination."""


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print every comparison as JSON.")
@click.pass_context
def compare(ctx: click.Context, *, before: str, after: str, as_json: bool) -> None:
    """Name what became slower or broke from runs A to runs B.

    A and B are each a summary.json, a report.json, a directory with such files, or runs of the server:
    NAME, or NAME@FROM..TO with days or times of which one may be left out.

    Start times and step durations differ where the 95 % bootstrap interval of the difference of their
    medians does not contain 0. Pass rates differ where Fisher's exact test has p <= 0.05. Both need 5 runs
    on each side.

    Exit codes: 0 nothing became slower or broke, 1 something did.

    \b
    Examples:
      power conduct compare docs/audit/2026-03-01-cycle docs/audit/2026-03-08-cycle
      power conduct compare cycle@..2026-03-04 cycle@2026-03-04..
    """
    old, new = read_series(before), read_series(after)
    comparisons = compare_series(old, new)
    if as_json:
        output.dump([_as_json(label, one) for label, one in comparisons])
    else:
        _show(comparisons, old, new)
    ctx.exit(1 if any(one.changes & WORSE for _label, one in comparisons) else 0)


def read_series(source: str) -> Series:
    """The runs that an argument names; raises WrongUsage where it names none."""
    path = Path(source)
    series = _read_files(path) if path.exists() else _read_server(source)
    if not any(series.values()):
        raise WrongUsage(f"{source}: is no file, and no finished run has this name")
    return series


def _read_files(path: Path) -> Series:
    if not path.is_dir():
        return _read_file(path)
    for name in ("summary.json", "report.json"):
        if (path / name).is_file():
            return _read_file(path / name)
    reports = sorted(path.rglob("report.json"))
    if not reports:
        raise WrongUsage(f"{path}: has no summary.json and no report.json")
    return {ALL_RUNS: [run for one in reports for run in _read_file(one)[ALL_RUNS]]}


def _read_file(path: Path) -> Series:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "combinations" in document:
            return matrix_summary.read_summary(document)
        return {ALL_RUNS: [sample_report(document)]}
    except OSError as error:
        raise WrongUsage(f"{path}: cannot be read: {error.strerror}") from error
    except _BROKEN_FILE as error:
        raise WrongUsage(f"{path}: is no report and no summary of runs") from error


def _read_server(source: str) -> Series:
    name, _, span = source.partition("@")
    since, until = _moments(source, span) if span else (None, None)
    runs = []
    with connect() as api:
        routes = RunRoutes(api)
        for run in routes.newest():
            created = datetime.fromisoformat(run["created_at"])
            if since and created < since:
                break
            if run["name"] != name or run["state"] != RunState.FINISHED or (until and created >= until):
                continue
            try:
                runs.append(sample_report(json.loads(routes.report(run["id"]))))
            except Refused:
                continue
            if len(runs) == MOST_COMPARED:
                break
    return {ALL_RUNS: runs}


def _moments(source: str, span: str) -> list[datetime | None]:
    since, dots, until = span.partition("..")
    try:
        moments = [datetime.fromisoformat(text) if text else None for text in (since, until)]
    except ValueError as error:
        raise WrongUsage(f"{source}: {error}; write NAME@2026-03-01..2026-03-08") from error
    if not dots or not any(moments):
        raise WrongUsage(f"{source}: write NAME@FROM..TO, such as NAME@2026-03-01..")
    return [moment and (moment if moment.tzinfo else moment.astimezone(UTC)) for moment in moments]


def compare_series(old: Series, new: Series) -> list[tuple[str, SubjectComparison]]:
    """Compare combinations of the same label; all runs together where no label is on both sides."""
    if not old.keys() & new.keys():
        old, new = ({ALL_RUNS: [run for runs in one.values() for run in runs]} for one in (old, new))
    return [
        (label, one)
        for label in dict.fromkeys([*old, *new])
        for one in run_samples.compare_runs(old.get(label, []), new.get(label, []))
    ]


def _subject(label: str, one: SubjectComparison) -> str:
    what = one.name if one.kind == run_samples.WHOLE_RUN else f"{one.kind} {one.name}"
    return f"{label}: {what}" if label else what


def _show(comparisons: list[tuple[str, SubjectComparison]], old: Series, new: Series) -> None:
    table = output.TextTable(("WHAT", "CHANGE", "A", "B", "TEST"), loose={0: 16, 4: 16})
    for label, one in comparisons:
        for row in _rows(one):
            table.add(_subject(label, one), *row)
    table.show()
    counts = [sum(run.is_complete for runs in series.values() for run in runs) for series in (old, new)]
    output.say(f"A has {counts[0]} complete runs, B has {counts[1]}.")
    tests = sum(
        each is not None and each.change is not Change.TOO_FEW
        for _label, one in comparisons
        for each in (one.rate, one.duration)
    )
    if tests:
        chance = tests * (1 - run_statistics.CONFIDENCE)
        output.say(f"{tests} tests at 95 % each: about {chance:.1f} name a difference by chance.")
    for change in (Change.SLOWER, Change.BROKE, Change.FASTER, Change.MENDED):
        if named := [_subject(label, one) for label, one in comparisons if change in one.changes]:
            output.say(f"{change}: {'; '.join(named)}")
    if not any(one.changes - {Change.NONE, Change.TOO_FEW} for _label, one in comparisons):
        output.say(f"{Change.NONE if tests else Change.TOO_FEW}")


def _rows(one: SubjectComparison) -> Iterator[tuple[str, ...]]:
    """A row for the rate and one for the duration."""
    rate = one.rate
    test = "-" if rate.p_value is None else f"p = {rate.p_value:.3f}"
    before, after = (
        f"{flake.failures} of {flake.runs} failed" if flake.runs else "-"
        for flake in (rate.before, rate.after)
    )
    yield str(rate.change), before, after, test
    if one.duration:
        yield _duration_row(one.duration)


def _duration_row(one: MedianComparison) -> tuple[str, ...]:
    before, after = ("-" if value is None else f"{value:.2f} s" for value in (one.before, one.after))
    test = "-" if one.low is None else f"{one.low:+.2f} to {one.high:+.2f} s"
    return str(one.change), before, after, test


def _as_json(label: str, one: SubjectComparison) -> dict[str, Any]:
    rate, duration = one.rate, one.duration
    return {
        "combination": label,
        "kind": one.kind,
        "name": one.name,
        "rate": {
            "change": str(rate.change),
            "before": {"failures": rate.before.failures, "runs": rate.before.runs},
            "after": {"failures": rate.after.failures, "runs": rate.after.runs},
            "p_value": rate.p_value,
        },
        "duration": None
        if duration is None
        else {
            "change": str(duration.change),
            "before_sec": duration.before,
            "after_sec": duration.after,
            "difference_low_sec": duration.low,
            "difference_high_sec": duration.high,
        },
    }
