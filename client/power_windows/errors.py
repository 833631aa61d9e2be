"""The errors that every method of `Client` and `Api` may raise.

    PowerError            everything below
      Failed              the server tried and did not fully succeed
        NotReady          a window's services are not all ready; `window` is its state
      WrongUsage          an argument or a setting is invalid
      Unreachable         no answer, or the answer of another program
      Refused             not allowed, over a limit, in conflict, or an invalid token
        NotFound          no window, stack or token has this name

A message says what was wrong and, where it is known, what is valid. Where the server sent the
error, `problem` is its problem+json (RFC 9457); test `problem["type"]`, which is stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from power_windows.values import Window


class PowerError(Exception):
    """The base of all: `message` as text, `problem` as the server sent it, `status` its HTTP status.

    `problem` is empty and `status` None where no server sent the error.
    """

    def __init__(
        self, message: str, problem: Mapping[str, Any] | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.problem, self.status = message, dict(problem or {}), status

    @property
    def type(self) -> str:
        """The stable type of the problem, such as `/problems/not-allowed`; empty without one."""
        return str(self.problem.get("type", ""))


class Failed(PowerError):
    """The server tried and did not fully succeed."""


class NotReady(Failed):
    """A window's services are not all ready; the message has what failed, with the last log lines."""

    def __init__(self, message: str, window: Window) -> None:
        super().__init__(message)
        self.window = window


class WrongUsage(PowerError):
    """An argument or a setting is invalid; no request was sent for it."""


def not_text(text: str, position: int) -> WrongUsage:
    """Return the error for text that has a byte at this position that is not UTF-8."""
    near = text[max(0, position - 20) : position + 20]
    return WrongUsage(f"{near!r} holds a byte that is not UTF-8 text; write it in UTF-8, or leave it out")


class Unreachable(PowerError):
    """The server does not answer, or another program does."""


class Refused(PowerError):
    """Not allowed, over a limit, in conflict with a window's state, or an invalid token."""


class NotFound(Refused):
    """No window, stack or token has this name."""
