"""End a command at an error of `power_windows.errors`: print its message, exit with its code."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import click

from app.domain import untrusted_text
from power_windows.errors import PowerError, Refused, Unreachable, WrongUsage, not_text

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended before it was done."""
_CODES: tuple[tuple[type[PowerError], int], ...] = ((WrongUsage, 2), (Unreachable, 3), (Refused, 4))


class CommandEnded(click.ClickException):
    """The error of a command, with its exit code."""

    def __init__(self, error: PowerError) -> None:
        super().__init__(error.message)
        # click declares exit_code for the class and reads it from the instance.
        setattr(self, "exit_code", exit_code(error))  # noqa: B010

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        # Where standard error is closed, the exit code still tells it.
        with suppress(OSError):
            tell(f"power: {self.format_message()}", file or sys.stderr)


def exit_code(error: PowerError) -> int:
    """The exit code: 2 wrong usage, 3 out of reach, 4 refused, 1 any other error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the command with the message and exit code of an error in the block."""
    try:
        yield
    except PowerError as error:
        raise CommandEnded(error) from error
    except UnicodeEncodeError as error:
        raise CommandEnded(not_text(str(error.object), error.start)) from error
    except KeyboardInterrupt:
        with suppress(OSError):
            tell("power: interrupted", sys.stderr)
        raise click.exceptions.Exit(INTERRUPTED) from None


def tell(message: str, out: IO[Any]) -> None:
    """Print a message without control characters; on a terminal it is wrapped between words."""
    lines = untrusted_text.harmless_lines(message).splitlines()
    click.echo("\n".join(_wrap(lines) if out.isatty() else lines), file=out)


def _wrap(lines: list[str]) -> list[str]:
    """The lines, wrapped between words at the width of the terminal."""
    width = shutil.get_terminal_size().columns
    return [part for line in lines for part in textwrap.wrap(line, width, break_long_words=False) or [""]]
