"""One run under way: wait for its end, cancel it on Ctrl-C, write its report in every form."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from app.cli import output, run_progress
from app.cli.failures import INTERRUPTED
from power_windows.errors import Refused, WrongUsage
from power_windows.payloads import Run
from power_windows.rest import Api
from power_windows.runs import RunRoutes

REPORTS = {"md": "report.md", "json": "report.json", "html": "report.html", "junit": "junit.xml"}
"""The file of each form of a report."""


def default_place(name: str, created_at: str) -> Path:
    """The directory for the reports of a run or a matrix of this name."""
    day = datetime.fromisoformat(created_at).astimezone()
    return Path("docs/audit") / f"{day:%Y-%m-%d}-{name}"


def await_run(api: Api, run: Run, *, silent: bool) -> tuple[Run, bool]:
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


def write_report(api: Api, run: Run, place: Path, junit: Path | None = None) -> Path | None:
    """Write the report in every form; the directory, or None where the run has none."""
    try:
        texts = {form: RunRoutes(api).report(run["id"], form) for form in REPORTS}
    except Refused as refused:
        output.note(refused.message)
        return None
    write_files(place, {name: texts[form] for form, name in REPORTS.items()})
    if junit:
        write_files(junit.parent, {junit.name: texts["junit"]})
    return place


def write_files(place: Path, texts: dict[str, str]) -> None:
    """Write text files into a directory, which is made; raises WrongUsage where that is impossible."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUsage(f"{error.filename}: the report cannot be written: {error.strerror}") from error
