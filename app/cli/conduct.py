"""`power conduct`: run a scenario, show how it goes, write its report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from app.cli import output, run_progress
from app.domain.scenarios import RunOutcome, StepStatus
from app.settings import ConfigError
from app.settings.scenario_toml import read_scenario
from power_windows.errors import Refused, WrongUsage
from power_windows.payloads import Run
from power_windows.rest import Api, connect
from power_windows.runs import RunRoutes

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
REPORTS = {"md": "report.md", "json": "report.json", "html": "report.html", "junit": "junit.xml"}
"""The file of each form of a report."""


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report goes.  [default: docs/audit/DATE-NAME]",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML here as well."
)
@click.option("--no-wait", is_flag=True, help="Start the run, and do not wait for its end; write no report.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@click.pass_context
def conduct(
    ctx: click.Context, *, scenario: Path, out: Path | None, junit: Path | None, no_wait: bool, as_json: bool
) -> None:
    """Run a scenario.

    Opens a window as the scenario says, waits until its services are ready, runs the steps, closes the
    window, and has the engine prove what still runs. Ctrl-C cancels the run and closes the window.

    Exit codes: 0 every step passed, 1 a step failed or the run was cut, 130 cancelled by Ctrl-C.

    \b
    Examples:
      power conduct cycle.toml
      power conduct cycle.toml --out report --junit junit.xml
    """
    try:
        document = read_scenario(scenario)
    except ConfigError as error:
        raise WrongUsage("\n".join(error.faults)) from error
    with connect() as api:
        run = RunRoutes(api).start(document)
        if no_wait:
            _show(run, as_json)
            return
        run, interrupted = _await(api, run, silent=as_json)
        place = out or Path("docs/audit") / f"{_date(run)}-{run['name']}"
        written = _write_report(api, run, place, junit)
    _show(run, as_json, written)
    ctx.exit(INTERRUPTED if interrupted else 0 if run["outcome"] == RunOutcome.PASSED else 1)


def _date(run: Run) -> str:
    return f"{datetime.fromisoformat(run['created_at']).astimezone():%Y-%m-%d}"


def _await(api: Api, run: Run, *, silent: bool) -> tuple[Run, bool]:
    """The finished run, and whether it was interrupted here."""
    try:
        return _follow(api, run, silent=silent), False
    except KeyboardInterrupt:
        RunRoutes(api).cancel(run["id"])
        output.note(
            f"\nrun {run['id']} is cancelled, and its window is being closed; Ctrl-C once more leaves"
        )
    try:
        return _follow(api, run, silent=silent), True
    except KeyboardInterrupt:
        output.note(f"\nrun {run['id']} ends without you; its services stop all the same")
        raise click.exceptions.Exit(INTERRUPTED) from None


def _follow(api: Api, run: Run, *, silent: bool) -> Run:
    with run_progress.choose_show(silent) as show:
        for run, window in run_progress.follow_run(api, run["id"]):  # noqa: B020, PLR1704
            show.update(run, window)
    return run


def _write_report(api: Api, run: Run, place: Path, junit: Path | None) -> Path | None:
    """Write the report in every form; the directory, or None where the run has none."""
    try:
        texts = {form: RunRoutes(api).report(run["id"], form) for form in REPORTS}
    except Refused as refused:
        output.note(refused.message)
        return None
    try:
        place.mkdir(parents=True, exist_ok=True)
        for form, name in REPORTS.items():
            (place / name).write_text(texts[form], encoding="utf-8")
        if junit:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(texts["junit"], encoding="utf-8")
    except OSError as error:
        raise WrongUsage(f"{error.filename}: the report cannot be written: {error.strerror}") from error
    return place


def _show(run: Run, as_json: bool, written: Path | None = None) -> None:
    if as_json:
        output.dump(run)
        return
    output.say(run_progress.headline(run))
    for step in run["steps"]:
        if step["status"] == StepStatus.FAILED:
            output.say(f"  {step['name']}: {step['detail']}")
    if written:
        output.say(f"report: {written / REPORTS['md']}")
