"""The same seed sets the same traps."""

from __future__ import annotations

import pytest

from chaos import plan, stacks


def test_a_seed_says_all() -> None:
    assert plan.made(7, 60) == plan.made(7, 60)
    assert plan.made(7, 60) != plan.made(8, 60)


@pytest.mark.parametrize("seed", range(5))
def test_a_long_run_kills_everything_often(seed: int) -> None:
    rounds = plan.made(seed, 300)
    faults = [fault for one in rounds for fault in one.faults]

    assert sum(len(one.windows) for one in rounds) == 300
    assert sum(fault.kind == "kill" for fault in faults) >= 150
    assert {fault.target for fault in faults if fault.kind == "kill"} == set(plan.KILLS)
    assert {"kill", "freeze", "cut", "silence", "half-open", "fill", "forge"} == {one.kind for one in faults}


def test_every_fault_falls_into_its_round() -> None:
    assert all(0 < fault.at < plan.SECONDS for one in plan.made(1, 100) for fault in one.faults)


def test_windows_overlap_on_both_stacks() -> None:
    windows = [window for one in plan.made(1, 50) for window in one.windows]

    assert {window.stack for window in windows} == set(stacks.STACKS)
    assert {service for window in windows for service in window.services} == set(stacks.ALLOWED)


def test_a_window_holds_what_its_services_need() -> None:
    assert stacks.closure(("forge", "books")) == {"forge", "store", "books", "once"}
    assert stacks.closure(("press",)) == {"press", "store"}
