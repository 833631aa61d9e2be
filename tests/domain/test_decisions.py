"""At most one call for a service, and the reason for it; core is never touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import decisions
from app.domain.enums import Action, Power, Role
from app.domain.readiness import Container

RUNS = Container("a", "forge", "running")
ENDED = Container("a", "forge", "exited", exit_code=1)

containers = st.lists(
    st.sampled_from(["running", "exited", "created", "paused", "restarting", "dead"]), max_size=3
).map(lambda states: [Container(str(n), "forge", state) for n, state in enumerate(states)])


def on(*seen: Container, power: Power = Power.OFF, replicas: int = 1, tried: int = 0) -> decisions.Decision:
    return decisions.decide_start(Role.ALLOWED, seen, power, replicas, tried)


def off(*seen: Container, stop_pending: bool = True, unsure: bool = False, kill: bool = False) -> Action:
    return decisions.decide_stop(
        Role.ALLOWED, seen, stop_pending=stop_pending, unsure=unsure, kill=kill
    ).action


def test_what_is_wanted_and_does_not_run_is_brought_up() -> None:
    assert on().action is Action.UP
    assert on(ENDED, power=Power.FAILING).action is Action.UP


def test_what_runs_is_left_as_it_is() -> None:
    assert on(RUNS, power=Power.ON).action is Action.NONE


def test_the_replicas_that_run_stay_while_the_others_are_added() -> None:
    decision = on(RUNS, ENDED, power=Power.FAILING, replicas=2)
    assert (decision.action, decision.keep_running) == (Action.UP, True)
    assert not on(replicas=2).keep_running


def test_what_was_tried_for_this_window_is_not_tried_again() -> None:
    assert on(tried=1).action is Action.NONE


def test_a_one_shot_that_is_done_is_not_run_again() -> None:
    assert on(ENDED, power=Power.DONE).action is Action.NONE


@given(st.sampled_from([Role.CORE, Role.NONE]), containers, st.sampled_from(Power), st.integers(0, 3))
def test_what_is_not_allowed_is_never_started(
    role: Role, seen: list[Container], power: Power, replicas: int
) -> None:
    assert decisions.decide_start(role, seen, power, replicas, 0).action is Action.NONE


@given(st.none() | containers, st.booleans(), st.booleans(), st.booleans())
def test_core_is_never_stopped(
    seen: list[Container] | None, stop_pending: bool, unsure: bool, kill: bool
) -> None:
    assert (
        decisions.decide_stop(Role.CORE, seen, stop_pending=stop_pending, unsure=unsure, kill=kill).action
        is Action.NONE
    )


@given(st.none() | containers, st.booleans(), st.booleans())
def test_what_no_window_held_is_never_stopped(seen: list[Container] | None, unsure: bool, kill: bool) -> None:
    assert (
        decisions.decide_stop(Role.ALLOWED, seen, stop_pending=False, unsure=unsure, kill=kill).action
        is Action.NONE
    )


def test_what_is_owed_and_runs_is_stopped_and_killed_if_it_would_not() -> None:
    assert off(RUNS) is Action.STOP
    assert off(RUNS, kill=True) is Action.KILL


def test_what_was_held_once_is_stopped_though_it_is_not_listed_any_more() -> None:
    assert (
        decisions.decide_stop(Role.NONE, [RUNS], stop_pending=True, unsure=False, kill=False).action
        is Action.STOP
    )


@pytest.mark.parametrize("seen", [(), (ENDED,)])
def test_after_an_up_only_a_stop_confirms_the_off(seen: tuple[Container, ...]) -> None:
    assert off(*seen, unsure=True) is Action.STOP
    assert off(*seen, unsure=False) is Action.NONE


def test_an_engine_that_shows_nothing_is_asked_to_stop_all_the_same() -> None:
    assert (
        decisions.decide_stop(Role.ALLOWED, None, stop_pending=True, unsure=False, kill=False).action
        is Action.STOP
    )


@given(containers, st.sampled_from(Power), st.integers(0, 3), st.integers(0, 2))
def test_every_decision_has_its_reason(
    seen: list[Container], power: Power, replicas: int, tried: int
) -> None:
    assert decisions.decide_start(Role.ALLOWED, seen, power, replicas, tried).why
