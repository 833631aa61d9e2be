"""A window only ever moves forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from app.domain import windows
from app.domain.enums import Power, State, Status
from app.domain.windows import Backwards, ServiceHealth

WAYS = {
    (State.WAITING, State.OPENING),
    (State.WAITING, State.CLOSED),
    (State.OPENING, State.OPEN),
    (State.OPENING, State.CLOSING),
    (State.OPEN, State.CLOSING),
    (State.CLOSING, State.CLOSED),
}
NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("now", "to"), sorted(product(State, State)))
def test_there_are_six_ways_and_no_other(now: State, to: State) -> None:
    assert windows.may_move(now, to) is ((now, to) in WAYS)
    if (now, to) in WAYS:
        assert windows.move(now, to) is to
    else:
        with pytest.raises(Backwards, match=f"{now} to {to}"):
            windows.move(now, to)


def test_every_window_ends() -> None:
    for state in State:
        here, steps = state, 0
        while ways := sorted(to for to in State if windows.may_move(here, to)):
            here, steps = ways[-1], steps + 1
            assert steps < len(State)
        assert here is State.CLOSED


def health(power: Power) -> ServiceHealth:
    return ServiceHealth("any", power, ready=power in {Power.ON, Power.DONE})


@pytest.mark.parametrize(
    ("powers", "status"),
    [
        ([Power.ON], Status.OK),
        ([Power.ON, Power.DONE], Status.OK),
        ([Power.ON, Power.FAILING], Status.PARTIAL),
        ([Power.FAILING, Power.FAILING], Status.FAIL),
        ([Power.ON, Power.STARTING], None),
        ([Power.FAILING, Power.OFF], None),
        ([Power.UNKNOWN], None),
        ([Power.STOPPING, Power.ON], None),
    ],
)
def test_how_an_opening_went_is_said_once_it_is_known(powers: list[Power], status: Status | None) -> None:
    assert windows.status(map(health, powers)) is status


def test_a_window_that_was_open_never_stands_as_failed() -> None:
    assert windows.present_status([health(Power.FAILING)]) is Status.PARTIAL
    assert windows.present_status([health(Power.ON), health(Power.OFF)]) is Status.PARTIAL
    assert windows.present_status([health(Power.ON), health(Power.DONE)]) is Status.OK


@pytest.mark.parametrize("state", State)
def test_only_a_window_that_waits_or_lives_can_be_extended_before_its_deadline(state: State) -> None:
    live = state in {State.WAITING, State.OPENING, State.OPEN}
    assert windows.extendable(state, NOON, NOON - timedelta(microseconds=1)) is live
    assert not windows.extendable(state, NOON, NOON)
