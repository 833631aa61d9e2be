"""Run `app.standalone.prepare` in a process of its own and read its report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.standalone import children
from app.standalone.signals import Signals
from power_windows.errors import Failed


@dataclass(frozen=True)
class Prepared:
    """What the preparing process reports, as JSON on its standard output."""

    new_token: bool
    server: str | None
    fault: str | None = None
    """Why the database cannot be used; the worker then uses its snapshot alone. None: usable."""
    mends: Sequence[str] = ()
    """Alternative shell commands; each of them alone repairs the database."""
    outage: str | None = None
    """Why the database does not answer now; every child starts nevertheless, since a service may be on."""
    now: str = ""
    """The database's time in ISO 8601; empty where the database cannot be used."""


class StopRequested(Exception):
    """A stop was requested before the children were started."""


def run(environ: Mapping[str, str], signals: Signals) -> Prepared:
    """Prepare the schema and the token in a child process; return its report.

    Raises Failed with the child's standard error, and StopRequested when a signal arrives meanwhile.
    """
    process = subprocess.Popen(
        (sys.executable, "-m", "app.standalone.prepare"),
        env=dict(environ),
        cwd=children.root(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        _wait(process, signals)
        assert process.stdout
        assert process.stderr
        report, errors = process.stdout.read(), process.stderr.read()
    if process.returncode:
        raise Failed(errors.strip() or f"preparing ended with exit code {process.returncode}")
    return Prepared(**json.loads(report))


def _wait(process: subprocess.Popen[str], signals: Signals) -> None:
    """Wait for the exit. Raises StopRequested, with the process killed."""
    while process.poll() is None:
        signals.wait(0.5)
        if signals.asked:
            process.kill()
            raise StopRequested
