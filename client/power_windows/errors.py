"""What can come of asking the service.

    PowerError            everything below
      Failed              it was tried and did not fully succeed
        NotReady          a window is not as it was wanted; `window` is how it is
      WrongUsage          what was asked cannot be meant
      Unreachable         nobody answers, or somebody else does
      Refused             not allowed, over a limit, in conflict, or a bad token
        NotFound          there is no such thing

A message says what was wrong and, where it is known, what would be right. Where the
service said it itself, `problem` holds its words (RFC 9457): go by `problem["type"]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from power_windows.values import Window


class PowerError(Exception):
    """Base of all: `message` is for a person, `problem` what the service said, `status` its HTTP status."""

    def __init__(
        self, message: str, problem: Mapping[str, Any] | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.problem, self.status = message, dict(problem or {}), status

    @property
    def type(self) -> str:
        """The stable type of the service's problem, such as `/problems/not-allowed`, or nothing."""
        return str(self.problem.get("type", ""))


class Failed(PowerError):
    """It was tried and did not fully succeed."""


class NotReady(Failed):
    """A window did not come up, or not wholly; the message has what failed, with its last words."""

    def __init__(self, message: str, window: Window) -> None:
        super().__init__(message)
        self.window = window


class WrongUsage(PowerError):
    """What was asked cannot be meant."""


def not_text(given: str, at: int) -> WrongUsage:
    """What is said of text with a byte in it, at this place, that is not UTF-8."""
    near = given[max(0, at - 20) : at + 20]
    return WrongUsage(f"{near!r} holds a byte that is not UTF-8 text; write it in UTF-8, or leave it out")


class Unreachable(PowerError):
    """Nobody answers there, or somebody else does."""


class Refused(PowerError):
    """Not allowed, over a limit, in conflict with a window's state, or a bad token."""


class NotFound(Refused):
    """There is no such thing."""
