"""How a command ends when it does not end well.

Each class is one exit code of the contract; click shows the message and exits
with it. A message says what was wrong and, where it is known, what would be
right.
"""

import shutil
import sys
import textwrap
from typing import IO, Any

import click


class Failure(click.ClickException):
    """Exit 1: it was tried and did not fully succeed."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        tell(f"power: {self.format_message()}", file or sys.stderr)


def tell(message: str, out: IO[Any]) -> None:
    """Say something beside the output; on a terminal broken between words where it ends."""
    lines = message.splitlines()
    click.echo("\n".join(_wrapped(lines) if out.isatty() else lines), file=out)


def _wrapped(lines: list[str]) -> list[str]:
    """Lines broken between words where the terminal ends."""
    width = shutil.get_terminal_size().columns
    return [part for line in lines for part in textwrap.wrap(line, width, break_long_words=False) or [""]]


class WrongUsage(Failure):
    exit_code = 2


class Unreachable(Failure):
    exit_code = 3


class Refused(Failure):
    exit_code = 4


class Missing(Refused):
    """There is no such thing."""
