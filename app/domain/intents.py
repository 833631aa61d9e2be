r"""Intents: what a person wants by name, and what follows from it.

An intent names services of one stack, how long they are wanted, what is built before, and the checks
that show that they work. A request for one moves forward only:

    waiting ---> queued ---> building ---> opening ---> checking ---> finished
        \___________\____________\____________\___________________________^

A request that waits for an approval holds no window and no lease.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

BUILD_TIMEOUT = 600.0
"""Seconds that the build of one service may take, where the intent does not say it."""
APPROVAL_LIFETIME = timedelta(hours=24)
"""How long a request waits for its approval."""


class Approval(StrEnum):
    """Who has to approve a request before anything is built or opened."""

    NONE = "none"
    PERSON = "person"
    """The person who asks, after a look at the plan, or another token."""
    OTHER = "other"
    """Always another token than the one that asks."""


class IntentState(StrEnum):
    """Where a request is on its way; it only moves forward."""

    WAITING = "waiting"
    """For an approval."""
    QUEUED = "queued"
    BUILDING = "building"
    OPENING = "opening"
    CHECKING = "checking"
    FINISHED = "finished"


class IntentOutcome(StrEnum):
    """How a request ended."""

    PASSED = "passed"
    """The window is open, and every check has passed."""
    FAILED = "failed"
    CUT = "cut"
    """It was cancelled or not approved, or its worker died."""


class BuildStatus(StrEnum):
    """How the build of one service went."""

    PENDING = "pending"
    RUNNING = "running"
    BUILT = "built"
    UNCHANGED = "unchanged"
    """Its content is that of the image that the engine has, so nothing was built."""
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Intent:
    """One intent as its stack's worker published it. Times are seconds."""

    name: str
    services: tuple[str, ...]
    description: str = ""
    ttl: float | None = None
    """None is the stack's default."""
    reason: str | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    """`name`, `kind`, `check` and `depends_on` of each check; `check` is one line without secrets."""
    build: tuple[str, ...] = ()
    """The services that are built where their content has changed, in this order."""
    build_timeout: float = BUILD_TIMEOUT
    """Of the build of one service."""
    approval: Approval = Approval.NONE

    def as_json(self) -> dict[str, Any]:
        """The intent as plain values, as the database stores it."""
        lists = {"services": list(self.services), "build": list(self.build)}
        return asdict(self) | lists | {"checks": [dict(one) for one in self.checks]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Intent:
        """The intent from what `as_json` returned."""
        typed = {name: tuple(stored[name]) for name in ("services", "checks", "build")}
        return cls(**{**stored, **typed, "approval": Approval(stored["approval"])})


def needs_approval(approval: Approval, *, confirmed: bool) -> bool:
    """Whether a request has to wait; `confirmed` says that the person who asks has agreed to the plan."""
    return approval is Approval.OTHER or (approval is Approval.PERSON and not confirmed)


def seconds_until(until: datetime, now: datetime) -> float:
    """The seconds that are left until a time; 0 where it has passed."""
    return max(0.0, (until - now).total_seconds())


def unknown_name(name: str, known: Collection[str]) -> str:
    """Why there is no intent of this name: the nearest one and all of them."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    there = f"there is {', '.join(sorted(known))}" if known else "no stack has an intent in its power.toml"
    return f"there is no intent {name!r}; {guess}{there}"
