"""`power conduct`: run a scenario once or several times, show how it goes, write the reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from app.cli import output, run_progress
from app.cli.compare_runs import compare
from app.cli.conduct_matrix import check_times, conduct_times
from app.cli.conducted_run import REPORTS, await_run, default_place, write_report
from app.cli.failures import INTERRUPTED
from app.domain.scenarios import RunOutcome, StepStatus
from app.settings import ConfigError
from app.settings.scenario_matrix import ScenarioFile, read_scenario_file
from power_windows.errors import WrongUsage
from power_windows.payloads import Run
from power_windows.rest import connect
from power_windows.runs import RunRoutes


class ConductCommand(click.Command):
    """Takes a scenario file, or `compare` as its first word: then the rest is for that command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of this command or of `compare`."""
        if args[:1] == [compare.name]:
            return compare.make_context(f"{info_name} {compare.name}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def _scenarios_or_compare(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """`compare`, and the files that the shell finds itself."""
    offers = [CompletionItem(incomplete, type="file")]
    if compare.name and compare.name.startswith(incomplete):
        offers.insert(0, CompletionItem(compare.name, help="Name what became slower or broke."))
    return offers


@click.command(cls=ConductCommand)
@click.argument(
    "scenario", type=click.Path(path_type=Path, dir_okay=False), shell_complete=_scenarios_or_compare
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report goes.  [default: docs/audit/DATE-NAME]",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML here as well."
)
@click.option(
    "--times", type=click.IntRange(1, 1000), help="Run it, or each combination of its matrix, so many times."
)
@click.option("--no-wait", is_flag=True, help="Start the run, and do not wait for its end; write no report.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@click.pass_context
def conduct(
    ctx: click.Context,
    *,
    scenario: Path,
    out: Path | None,
    junit: Path | None,
    times: int | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Run a scenario, or compare runs: `power conduct compare A B`.

    Opens a window as the scenario says, waits until its services are ready, runs the steps, closes the
    window, and has the engine prove what still runs. Ctrl-C cancels the run and closes the window.

    With --times, or a [matrix] in the file, every combination runs that often, one run after another. A
    failed run does not end the series. A summary has flake rates and median times. A file that is named
    compare is run as ./compare.

    Exit codes: 0 every step passed, 1 a step failed or the run was cut, 130 cancelled by Ctrl-C.

    \b
    Examples:
      power conduct cycle.toml
      power conduct cycle.toml --out report --junit junit.xml
      power conduct cycle.toml --times 20
      power conduct compare docs/audit/2026-03-01-cycle docs/audit/2026-03-08-cycle
    """
    read = _read(scenario)
    if read.has_matrix or times is not None:
        if no_wait or junit:
            raise click.UsageError("a series of runs takes no --no-wait and no --junit")
        check_times(read, times or 1)
        with connect() as api:
            ctx.exit(conduct_times(api, read, times or 1, out=out, as_json=as_json))
    with connect() as api:
        run = RunRoutes(api).start(read.combinations[0].document)
        if no_wait:
            _show(run, as_json)
            return
        run, interrupted = await_run(api, run, silent=as_json)
        place = out or default_place(run["name"], run["created_at"])
        written = write_report(api, run, place, junit)
    _show(run, as_json, written)
    ctx.exit(INTERRUPTED if interrupted else 0 if run["outcome"] == RunOutcome.PASSED else 1)


def _read(scenario: Path) -> ScenarioFile:
    try:
        return read_scenario_file(scenario)
    except ConfigError as error:
        raise WrongUsage("\n".join(error.faults)) from error


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
