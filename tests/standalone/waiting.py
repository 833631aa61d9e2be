"""Waiting for something to be so, with a deadline instead of a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(claim: Callable[[], T | None], seconds: float = 10.0) -> T:
    """Ask until the answer is yes, and return it; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := claim()):
        assert time.monotonic() < deadline, f"still not so after {seconds:g} s: {answer!r}"
        time.sleep(0.02)
    return answer
