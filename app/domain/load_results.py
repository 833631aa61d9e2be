"""What became of a reading of a stack's files, as the worker logs it and the standalone reads it there.

One line for each fault, with the beginning of the digest of what was read: two edits with
the same fault are two, and one edit that is read again by a new worker is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

POWER_TOML = "power.toml"
_DIGITS = 12


class LoadOutcome(StrEnum):
    """What became of the stack, or of all of them."""

    SERVED = "is served"
    REJECTED = "is rejected"
    """Nothing was good before: nothing can be opened."""
    UNCHANGED = "stays as it was"
    """The last valid version is still in force."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One reading, or one fault of it; `subject` is `stack NAME` or `power.toml`."""

    subject: str
    verdict: LoadOutcome
    digest: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject} {self.verdict} ({self.digest[:_DIGITS]}): {self.detail}"


_LINE = re.compile(
    r"\b(stack [A-Za-z0-9_.-]+|power\.toml) (is served|is rejected|stays as it was) \(([0-9a-f]*)\): (.*)$"
)


def parse(line: str) -> LoadResult | None:
    """Return the reading that a line of a log reports; None for any other line."""
    match = _LINE.search(line)
    return LoadResult(match[1], LoadOutcome(match[2]), match[3], match[4]) if match else None
