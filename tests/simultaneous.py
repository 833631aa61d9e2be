"""Several at the same time, started on one word."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(many: int, act: Callable[[int], T]) -> list[T]:
    """What each of `many` threads came to, each given its number; the first exception of any is raised."""
    gate = threading.Barrier(many, timeout=10)

    def run(number: int) -> T:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(run, range(many)))
