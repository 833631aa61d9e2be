"""What a visitor's request comes to: by the window there is, and by the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Power, State, Status
from app.domain.wake import BACKOFF, LONG_PAUSE, LONGEST_BACKOFF, Hold, Step, judge
from tests.system import NOON

TTL, CAP = 600.0, 3600.0
OPEN = Hold("w", State.OPEN, Status.OK, NOON, NOON + timedelta(seconds=TTL), None, Power.ON, ready=True)


def after(seconds: float, hold: Hold | None = OPEN) -> tuple[str, float | None]:
    verdict = judge(hold, TTL, CAP, NOON + timedelta(seconds=seconds))
    return verdict.step, verdict.renew


def test_with_no_window_one_is_opened() -> None:
    assert after(0, None) == (Step.OPEN, None)


def test_what_is_ready_passes_and_is_lengthened_seldom() -> None:
    assert after(1) == (Step.PASS, None)
    assert after(TTL / 10 - 1) == (Step.PASS, None)
    assert after(TTL / 10) == (Step.PASS, TTL)


def test_near_the_cap_it_is_lengthened_up_to_it_once() -> None:
    late = replace(OPEN, deadline=NOON + timedelta(seconds=CAP - 30))
    assert after(CAP - 100, late) == (Step.PASS, 100.0)
    full = replace(OPEN, deadline=NOON + timedelta(seconds=CAP))
    assert after(CAP - 90, full) == (Step.PASS, None)
    assert after(CAP, full) == (Step.OPEN, None)


def test_a_window_that_was_extended_is_not_made_shorter() -> None:
    longer = replace(OPEN, deadline=NOON + timedelta(seconds=3000))
    assert after(300, longer) == (Step.PASS, None)


def test_who_waits_keeps_it_too() -> None:
    opening = replace(OPEN, state=State.OPENING, status=None, power=Power.STARTING, ready=False)
    assert after(1, opening) == (Step.WAIT, None)
    assert after(100, opening) == (Step.WAIT, TTL)


def test_an_unready_dependency_of_an_open_window_blocks_no_visitor() -> None:
    assert after(1, replace(OPEN, status=Status.PARTIAL, count=(1, 2)))[0] == Step.PASS


def test_what_fails_under_its_window_is_said_and_not_kept() -> None:
    failing = replace(OPEN, status=Status.PARTIAL, power=Power.FAILING, ready=False)
    assert after(300, failing) == (Step.FAILED, None)
    assert after(TTL, failing) == (Step.OPEN, None)


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSED])
def test_after_a_failure_there_is_no_opening_for_half_a_minute(state: State) -> None:
    failed = replace(OPEN, state=state, status=Status.FAIL, ended=NOON, power=Power.FAILING, ready=False)
    assert after(BACKOFF - 1, failed) == (Step.FAILED, None)
    assert after(BACKOFF, failed) == (Step.OPEN, None)
    assert after(1, replace(failed, status=Status.OK)) == (Step.OPEN, None)


def test_what_waits_for_its_node_is_kept_from_now() -> None:
    waits = replace(OPEN, state=State.WAITING, status=None, power=Power.OFF, ready=False)
    assert after(500, waits) == (Step.WAIT, TTL)


def test_one_asks_less_often_once_it_takes_long() -> None:
    opening = replace(OPEN, state=State.OPENING, status=None, power=Power.STARTING, ready=False)
    short, long = (judge(opening, TTL, CAP, NOON + timedelta(seconds=at)).again for at in (1, LONG_PAUSE))
    assert 0 < short < long


def test_after_many_failures_the_pause_is_hours_and_no_more() -> None:
    ended = replace(OPEN, state=State.CLOSED, status=Status.FAIL, ended=NOON)
    assert judge(replace(ended, failures=100_000), TTL, CAP, NOON).again == LONGEST_BACKOFF


def test_one_that_was_never_ready_beside_a_dependency_that_was_failed_too() -> None:
    ended = replace(OPEN, state=State.CLOSED, status=Status.PARTIAL, ended=NOON)
    assert after(1, ended)[0] == Step.OPEN
    assert after(1, replace(ended, was_ready=False))[0] == Step.FAILED
