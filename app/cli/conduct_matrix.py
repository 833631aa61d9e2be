"""Every combination of a scenario, several times: one run after another, then one summary of all.

Rounds are interleaved: each combination runs once before any runs again, so that a host that becomes slower
affects all of them alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.cli import output, run_progress
from app.cli.conducted_run import REPORTS, await_run, default_place, write_files, write_report
from app.cli.failures import INTERRUPTED
from app.domain.run_samples import RunSample, sample_report
from app.domain.scenarios import RunOutcome
from app.reports import matrix_summary
from app.reports.matrix_summary import CombinationRuns
from app.settings.scenario_matrix import Combination, ScenarioFile
from power_windows.errors import Refused
from power_windows.payloads import Run
from power_windows.rest import Api
from power_windows.runs import RunRoutes

MOST_RUNS = 1000
"""Runs of one command, at most."""
SUMMARIES = {"json": "summary.json", "md": "summary.md"}
"""The file of each form of a summary."""
REFUSED_RUN = "refused"
"""The outcome of a run that the server did not accept."""


@dataclass
class RunMatrix:
    """The runs of one command, and where their reports go."""

    api: Api
    scenario: ScenarioFile
    times: int
    place: Path
    silent: bool
    began_at: str
    interrupted: bool = False
    combinations: list[CombinationRuns] = field(init=False)

    def __post_init__(self) -> None:
        self.combinations = [
            CombinationRuns(one.label, one.services, one.variables) for one in self.scenario.combinations
        ]

    def conduct_all(self) -> None:
        """Run everything; a failed run does not end it, Ctrl-C does once the current run has ended."""
        for number in range(self.times):
            for at, combination in enumerate(self.scenario.combinations):
                try:
                    self._conduct(combination, self.combinations[at], Path(f"{at + 1:02}/{number + 1:03}"))
                except KeyboardInterrupt:
                    self.interrupted = True
                if self.interrupted:
                    return

    def _conduct(self, combination: Combination, made: CombinationRuns, folder: Path) -> None:
        if not self.silent:
            output.say(f"{combination.label}: run {len(made.runs) + 1} of {self.times}")
        try:
            run = RunRoutes(self.api).start(combination.document)
        except Refused as refused:
            output.note(refused.message)
            made.add(RunSample("", REFUSED_RUN, refused.message), None)
            return
        run, self.interrupted = await_run(self.api, run, silent=self.silent)
        written = write_report(self.api, run, self.place / folder)
        made.add(_sample(run, written), str(folder / REPORTS["md"]) if written else None)
        if not self.silent:
            output.say(run_progress.headline(run))

    def summary(self) -> dict[str, Any]:
        """The summary of the runs made so far."""
        return matrix_summary.build_summary(
            self.scenario.name,
            self.times,
            self.combinations,
            began_at=self.began_at,
            finished_at=_now(),
        )


def _sample(run: Run, written: Path | None) -> RunSample:
    if written is None:
        return RunSample(run["id"], str(run["outcome"]), run["detail"])
    return sample_report(json.loads((written / REPORTS["json"]).read_text(encoding="utf-8")))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def conduct_times(api: Api, scenario: ScenarioFile, times: int, *, out: Path | None, as_json: bool) -> int:
    """Run every combination so many times, write and show the summary; return the exit code.

    What has been run is summarized also where the server goes away or Ctrl-C is pressed twice.
    """
    began_at = _now()
    place = out or default_place(scenario.name, began_at)
    matrix = RunMatrix(api, scenario, times, place, silent=as_json, began_at=began_at)
    try:
        matrix.conduct_all()
    finally:
        summary = matrix.summary()
        forms = {
            SUMMARIES["json"]: matrix_summary.render_summary_json(summary),
            SUMMARIES["md"]: matrix_summary.render_summary_markdown(summary),
        }
        write_files(place, forms)
    _show(summary, place, as_json)
    if matrix.interrupted:
        return INTERRUPTED
    return 0 if _all_passed(summary) else 1


def _all_passed(summary: Mapping[str, Any]) -> bool:
    runs = [run for one in summary["combinations"] for run in one["runs"]]
    return all(run["outcome"] == RunOutcome.PASSED for run in runs)


def _show(summary: Mapping[str, Any], place: Path, as_json: bool) -> None:
    if as_json:
        output.dump(summary)
        return
    table = output.TextTable([head.upper() for head in matrix_summary.SUMMARY_HEADS], loose={0: 12, 1: 12})
    for row in matrix_summary.summary_rows(summary):
        table.add(*row)
    output.say("")
    table.show()
    output.say(*(f"not counted: {line}" for line in matrix_summary.uncounted_lines(summary)))
    output.say(f"summary: {place / SUMMARIES['md']}")


def check_times(scenario: ScenarioFile, times: int) -> None:
    """Raise a usage error where a command would make too many runs."""
    count = times * len(scenario.combinations)
    if count > MOST_RUNS:
        raise click.UsageError(f"--times: makes {count} runs; at most {MOST_RUNS}")
