"""Waiting in tests: for something to become true, up to a deadline, never for a guessed length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(condition: Callable[[], Found], what: str, *, within: float = 10.0) -> Found:
    """Ask until the answer is true and return it; fail with `what` was waited for, and the last answer."""
    end = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() >= end:
            raise AssertionError(f"waited {within:g} s in vain until {what}; last: {answer!r}")
        time.sleep(0.02)
    return answer
