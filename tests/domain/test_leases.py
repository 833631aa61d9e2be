"""A lease lives while its window does, and is dead on the stroke."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.enums import State
from app.domain.leases import HeldLease, holders, is_wanted

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def lease(
    window: str, *, state: State = State.OPEN, deadline: datetime = NOON, service: str = "forge"
) -> HeldLease:
    return HeldLease(window, service, state, deadline)


def test_a_lease_is_dead_on_the_stroke() -> None:
    assert lease("a").live(NOON - TICK)
    assert not lease("a").live(NOON)


@pytest.mark.parametrize("state", State)
def test_only_an_opening_or_open_window_holds(state: State) -> None:
    assert lease("a", state=state).live(NOON - TICK) is (state in {State.OPENING, State.OPEN})


def test_a_service_is_wanted_while_the_last_lease_lives() -> None:
    both = [lease("short", deadline=NOON), lease("long", deadline=NOON + TICK)]
    assert [one.window for one in holders(both, "forge", NOON - TICK)] == ["short", "long"]
    assert [one.window for one in holders(both, "forge", NOON)] == ["long"]
    assert is_wanted(both, "forge", NOON)
    assert not is_wanted(both, "forge", NOON + TICK)
    assert not is_wanted(both, "mill", NOON - TICK)


@given(st.lists(st.tuples(st.sampled_from(State), st.integers(-5, 5)), max_size=6))
def test_wanted_says_exactly_that_some_lease_lives(drawn: list[tuple[State, int]]) -> None:
    leases = [
        lease(str(n), state=state, deadline=NOON + TICK * ahead) for n, (state, ahead) in enumerate(drawn)
    ]
    assert is_wanted(leases, "forge", NOON) == any(
        state in {State.OPENING, State.OPEN} and ahead > 0 for state, ahead in drawn
    )
