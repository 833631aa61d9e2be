"""The output of the standalone, on the terminal and in logs/standalone.log.

A write never fails: a supervisor whose terminal was closed goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from app.domain import untrusted_text
from app.host import output_errors


class Terminal:
    """Prints what the standalone does, and writes it to `logs/standalone.log`."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def line(self, text: str = "", *, colour: str | None = None, bold: bool = False) -> None:
        """For the terminal alone: secrets may be in it."""
        try:
            click.secho(untrusted_text.harmless_lines(text), fg=colour, bold=bold)
        except OSError:
            output_errors.discard()
        except ValueError:
            pass

    def event(self, text: str, *, colour: str | None = None) -> None:
        """Something happened: on the terminal with the hour, in the log with the day."""
        self.line(f"{datetime.now().astimezone():%H:%M:%S} {text}", colour=colour)
        self._keep(text)

    def good(self, text: str) -> None:
        """Print good news, in green."""
        self.event(text, colour="green")

    def bad(self, text: str) -> None:
        """Print bad news, in yellow."""
        self.event(text, colour="yellow")

    def fault(self, text: str) -> None:
        """Why files are not in force: whole, and in the log, too."""
        self.line(f"         {text}", colour="red")
        self._keep(text)

    def quote(self, lines: Iterable[str]) -> None:
        """Lines of another process, set apart from our own."""
        for text in lines:
            self.line(f"         | {text}", colour="bright_black")

    def _keep(self, text: str) -> None:
        with contextlib.suppress(OSError), self._log.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
