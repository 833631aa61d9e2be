"""Delays double from the first to the cap, and no number of failures is too many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain import backoff, notifications


def test_delays_double_up_to_the_cap() -> None:
    assert [backoff.seconds(failures, 10.0, 300.0) for failures in range(1, 8)] == [
        10.0,
        20.0,
        40.0,
        80.0,
        160.0,
        300.0,
        300.0,
    ]


@pytest.mark.parametrize("failures", [-1, 0, 1])
def test_without_a_failure_it_is_the_first_delay(failures: int) -> None:
    assert backoff.seconds(failures, 0.2, 10.0) == 0.2


@pytest.mark.parametrize("failures", [44, 1_025, 100_000, 10**9, 10**30])
def test_no_number_of_failures_is_too_many(failures: int) -> None:
    assert backoff.seconds(failures, 0.2, 10.0) == 10.0
    assert backoff.delay(failures, timedelta(seconds=10), timedelta(minutes=5)) == timedelta(minutes=5)
    assert notifications.again(failures) == timedelta(minutes=5)


def test_a_first_delay_over_the_cap_is_the_cap() -> None:
    assert backoff.seconds(1, 60.0, 10.0) == 10.0


def test_a_notice_that_was_never_tried_waits_the_first_delay() -> None:
    assert notifications.again(0) == timedelta(seconds=10)
