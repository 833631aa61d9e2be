"""Whether a request is under way, by the bytes that moved, and how long its window lasts then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Power, State, Status
from app.domain.idle_visits import LOOK, SHORTEST_EXTENSION, Traffic, check_lead, in_use
from app.domain.wake import RENEWALS, Hold, lasting
from tests.system import NOON

TTL, CAP = 60.0, 3600.0
OPEN = Hold("w", State.OPEN, Status.OK, NOON, NOON + timedelta(seconds=TTL), None, Power.ON, ready=True)
BEFORE = Traffic(10_000, 80, 20_000, 90)


def moved(received: int, packets_in: int, sent: int, packets_out: int) -> bool:
    return in_use(BEFORE, BEFORE + Traffic(received, packets_in, sent, packets_out))


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param((66, 1, 67, 1), id="one byte and its acknowledgement"),
        pytest.param((72, 1, 66, 1), id="a ping of a WebSocket"),
        pytest.param((1_500_000, 1000, 66_000, 1000), id="an upload"),
        pytest.param((6600, 100, 6_500_000, 100), id="a download, in packets larger than the wire's"),
        pytest.param((54, 1, 80, 1), id="a visitor whose packets have no time stamps"),
    ],
)
def test_traffic_in_both_directions_is_use(moves: tuple[int, int, int, int]) -> None:
    assert moved(*moves)


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param((0, 0, 0, 0), id="silence"),
        pytest.param((42, 1, 42, 1), id="ARP"),
        pytest.param((84, 2, 84, 2), id="ARP, asked from either side"),
        pytest.param((66, 1, 66, 1), id="a keep-alive"),
        pytest.param((900, 10, 0, 0), id="broadcasts on the network"),
        pytest.param((0, 0, 540, 6), id="calls into the void"),
    ],
)
def test_what_networks_do_by_themselves_is_no_use(moves: tuple[int, int, int, int]) -> None:
    assert not moved(*moves)


def test_a_container_that_began_anew_has_said_nothing() -> None:
    assert not in_use(BEFORE, Traffic(500, 4, 900, 5))


def test_a_short_window_is_not_looked_at_from_its_beginning() -> None:
    assert check_lead(600) == LOOK
    assert check_lead(5) == timedelta(seconds=2.5)


def after(seconds: float, hold: Hold = OPEN, ttl: float = TTL) -> float | None:
    return lasting(hold, ttl, CAP, NOON + timedelta(seconds=seconds))


def test_it_lasts_a_step_beyond_its_deadline() -> None:
    assert after(TTL - 2) == 2 + SHORTEST_EXTENSION


def test_the_steps_of_a_long_window_are_as_long_as_those_of_its_visits() -> None:
    assert after(TTL - 2, ttl=1800) == 2 + 1800 / RENEWALS


def test_it_never_lasts_beyond_the_cap() -> None:
    late = replace(OPEN, deadline=NOON + timedelta(seconds=CAP - 3))
    assert after(CAP - 5, late) == 5
    full = replace(OPEN, deadline=NOON + timedelta(seconds=CAP))
    assert after(CAP - 2, full) is None
    # A stack may have become stricter since.
    assert after(CAP + 20, replace(OPEN, deadline=NOON + timedelta(seconds=CAP + 30))) is None


@pytest.mark.parametrize("state", sorted(set(State) - {State.OPEN}))
def test_what_is_not_open_is_not_lengthened(state: State) -> None:
    assert after(TTL - 2, replace(OPEN, state=state)) is None


def test_past_its_deadline_it_is_over() -> None:
    assert after(TTL) is None
