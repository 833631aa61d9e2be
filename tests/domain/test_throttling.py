from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.throttling import CallBounds, CallLimit, HostLoad, call_limit, next_limit

BOUNDS = CallBounds(2, 16)
QUIET = HostLoad(free_memory=0.5, load=0.2, memory_wait=0.0, disk_wait=0.0)


def test_a_quiet_host_starts_as_many_calls_as_its_bounds_allow() -> None:
    assert call_limit(BOUNDS, QUIET) == CallLimit(16)


def test_busy_processors_alone_lower_nothing() -> None:
    assert call_limit(BOUNDS, replace(QUIET, load=12.0)) == CallLimit(16)


@pytest.mark.parametrize(
    ("load", "number", "reason"),
    [
        (replace(QUIET, memory_wait=0.31), 2, "processes waited for memory 31% of the time"),
        (replace(QUIET, memory_wait=0.1), 8, "processes waited for memory 10% of the time"),
        (replace(QUIET, free_memory=0.02), 2, "2% of the host's memory is available"),
        (replace(QUIET, free_memory=0.08), 8, "8% of the host's memory is available"),
        (replace(QUIET, disk_wait=0.7), 8, "all processes waited for the disk 70% of the time"),
        (replace(QUIET, load=40.0), 8, "40 processes for each core run or wait"),
        # The worst counts.
        (HostLoad(0.02, 40.0, 0.0, 0.9), 2, "2% of the host's memory is available"),
        # A kernel without pressure stall information.
        (HostLoad(0.05, 1.0), 8, "5% of the host's memory is available"),
    ],
)
def test_a_host_that_is_short_of_something_starts_fewer(load: HostLoad, number: int, reason: str) -> None:
    assert call_limit(BOUNDS, load) == CallLimit(number, reason)


def test_the_limit_never_leaves_its_bounds() -> None:
    narrow = CallBounds(6, 8)
    assert call_limit(narrow, replace(QUIET, disk_wait=1.0)).number == 6
    assert call_limit(narrow, replace(QUIET, memory_wait=1.0)).number == 6


def test_the_limit_falls_at_once_and_rises_by_doubling() -> None:
    short = call_limit(BOUNDS, replace(QUIET, memory_wait=0.9))
    assert next_limit(16, short) == short

    steps, limit = [], short
    for _ in range(4):
        limit = next_limit(limit.number, call_limit(BOUNDS, QUIET))
        steps.append(limit)
    assert [one.number for one in steps] == [4, 8, 16, 16]
    assert [bool(one.reason) for one in steps] == [True, True, False, False]
