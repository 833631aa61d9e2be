"""What a visitor's request means for the service it is on its way to.

A reverse proxy asks before it lets a request through. The answer follows from the
window that the proxy's token has, if it has one, and from the time: let it pass, have
it wait, or open a window first. Each visitor lengthens the window, never beyond what
the stack permits, and seldom enough that most requests write nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain import backoff, idle_visits
from app.domain.enums import Power, State, Status
from app.domain.windows import LIVE

RENEWALS = 10
"""A window is lengthened at most this often in the time that a silent one lasts."""
BACKOFF, LONGEST_BACKOFF = 30.0, 4 * 3600.0
"""Seconds after a failed window before a visitor opens again: after the first, and after many in a row."""
SOON, LATER, LONG_PAUSE = 2.0, 5.0, 30.0
"""Seconds until a visitor should look again: at first, and once it has taken LONG."""
_A_MOMENT = 0.01


class Step(StrEnum):
    """What becomes of a request."""

    PASS = "pass"
    WAIT = "wait"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hold:
    """The window a token has, and how the service stands under it; `began` is when its time began."""

    window: str
    state: State
    status: Status | None
    began: datetime
    deadline: datetime
    ended: datetime | None
    power: Power
    ready: bool
    count: tuple[int, int] = (0, 1)
    """How many of the services that were opened are ready, of how many."""
    was_ready: bool = True
    """Whether the service was ready at any time."""
    failures: int = 0
    """Windows before this one that failed in a row."""

    def has_failed(self) -> bool:
        """True where the window failed, or is partial without the service having been ready."""
        return self.status is Status.FAIL or (self.status is Status.PARTIAL and not self.was_ready)


@dataclass(frozen=True, slots=True)
class WakeVerdict:
    """`renew`: seconds from now that the window is to last, where it is to be lengthened."""

    step: Step
    renew: float | None = None
    again: float = SOON
    """Seconds until it is worth asking again."""


def judge(hold: Hold | None, ttl: float, max_ttl: float, now: datetime) -> WakeVerdict:
    """`ttl`: seconds that a window lasts after the last request; `max_ttl`: that it lasts at most."""
    if hold is None:
        return WakeVerdict(Step.OPEN)
    if not (hold.state in LIVE | {State.WAITING} and hold.deadline > now):
        return _after(hold, now)
    # It runs on for its time only: what fails is tried anew when its window is over.
    if hold.power is Power.FAILING:
        left = (hold.deadline - now).total_seconds()
        return WakeVerdict(Step.FAILED, again=min(BACKOFF, max(SOON, left)))
    passes = hold.state is State.OPEN and hold.ready
    waited = (now - hold.began).total_seconds()
    return WakeVerdict(
        Step.PASS if passes else Step.WAIT,
        _renewal(hold, ttl, max_ttl, now),
        SOON if waited < LONG_PAUSE else LATER,
    )


def lasting(hold: Hold, ttl: float, max_ttl: float, now: datetime) -> float | None:
    """Seconds from now that a window lasts while a request is under way; None where it cannot be longer."""
    left = (hold.deadline - now).total_seconds()
    if hold.state is not State.OPEN or left <= 0:
        return None
    longest = (hold.began - now).total_seconds() + max_ttl
    new = min(left + max(idle_visits.SHORTEST_EXTENSION, ttl / RENEWALS), longest)
    return new if new - left >= _A_MOMENT else None


def failures_before(hold: Hold | None) -> int:
    """How many windows in a row failed before one that is opened now."""
    return hold.failures + 1 if hold and hold.has_failed() else 0


def _after(hold: Hold, now: datetime) -> WakeVerdict:
    """Its window is over: the next may be opened, unless this one failed too short a time ago."""
    if hold.has_failed() and hold.ended:
        pause = backoff.seconds(failures_before(hold), BACKOFF, LONGEST_BACKOFF)
        left = pause - (now - hold.ended).total_seconds()
        if left > 0:
            return WakeVerdict(Step.FAILED, again=max(1.0, left))
    return WakeVerdict(Step.OPEN)


def _renewal(hold: Hold, ttl: float, max_ttl: float, now: datetime) -> float | None:
    # One that waits for its node has not begun: what it is given counts from when it will.
    began = now if hold.state is State.WAITING else hold.began
    longest = (began - now).total_seconds() + max_ttl
    new = min(ttl, longest)
    gained = new - (hold.deadline - now).total_seconds()
    # What is left up to the cap is taken at once, however little: then there is no more to gain.
    enough = _A_MOMENT if longest < ttl else ttl / RENEWALS
    return new if gained >= enough else None
