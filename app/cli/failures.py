"""How a command ends when it does not end well.

What went wrong is an error of `power_windows.errors`; here each kind
gets its exit code of the contract, and click shows the message and exits with it.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import click

from app.domain import untrusted_text
from power_windows.errors import PowerError, Refused, Unreachable, WrongUsage, not_text

_CODES: tuple[tuple[type[PowerError], int], ...] = ((WrongUsage, 2), (Unreachable, 3), (Refused, 4))


class CommandEnded(click.ClickException):
    """A command that ends with what went wrong and its exit code."""

    def __init__(self, error: PowerError) -> None:
        super().__init__(error.message)
        # click declares it for the class, and reads it from the one that is raised.
        setattr(self, "exit_code", exit_code(error))  # noqa: B010

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        # Where nobody can be told, the exit code still says it.
        with suppress(OSError):
            tell(f"power: {self.format_message()}", file or sys.stderr)


def exit_code(error: PowerError) -> int:
    """2 wrong usage, 3 out of reach, 4 refused; 1 it was tried and did not fully succeed."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Let what goes wrong within end the command."""
    try:
        yield
    except PowerError as error:
        raise CommandEnded(error) from error
    except UnicodeEncodeError as error:
        raise CommandEnded(not_text(str(error.object), error.start)) from error


def tell(message: str, out: IO[Any]) -> None:
    """Say something beside the output; on a terminal broken between words where it ends."""
    lines = untrusted_text.harmless_lines(message).splitlines()
    click.echo("\n".join(_wrap(lines) if out.isatty() else lines), file=out)


def _wrap(lines: list[str]) -> list[str]:
    """Lines broken between words where the terminal ends."""
    width = shutil.get_terminal_size().columns
    return [part for line in lines for part in textwrap.wrap(line, width, break_long_words=False) or [""]]
