"""How a command ends when it does not end well.

Each class is one exit code of the contract; click shows the message and exits
with it. A message says what was wrong and, where it is known, what would be
right.
"""

from typing import IO, Any

import click


class Failure(click.ClickException):
    """Exit 1: it was tried and did not fully succeed."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"power: {self.format_message()}", file=file, err=file is None)


class WrongUsage(Failure):
    exit_code = 2


class Unreachable(Failure):
    exit_code = 3


class Refused(Failure):
    exit_code = 4


class Missing(Refused):
    """There is no such thing."""
