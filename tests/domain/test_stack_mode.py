"""The mode of a stack is the first that is true."""

from __future__ import annotations

import pytest

from app.domain import stack_mode
from app.domain.enums import Mode, Power, Role, State
from app.domain.stack_mode import ServiceStatus

CORE = ServiceStatus(Role.CORE, Power.ON, alive=True)
OFF = ServiceStatus(Role.ALLOWED, Power.OFF)
HELD = ServiceStatus(Role.ALLOWED, Power.ON, alive=True, held=True, awaited=True)
LEAVING = ServiceStatus(Role.ALLOWED, Power.STOPPING, alive=True, awaited=True, stop_pending=True)
STRAY = ServiceStatus(Role.ALLOWED, Power.ON, alive=True)
UNLISTED = ServiceStatus(Role.NONE, Power.ON, alive=True)
FORSAKEN = ServiceStatus(Role.ALLOWED, Power.UNKNOWN, stop_pending=True)


@pytest.mark.parametrize(
    ("services", "windows", "mode"),
    [
        ([CORE, OFF], [], Mode.SOLO_CORE),
        ([CORE, HELD], [State.OPEN], Mode.OPEN),
        ([CORE, OFF], [State.OPENING], Mode.OPEN),
        ([CORE, HELD, LEAVING], [State.OPEN, State.CLOSING], Mode.CLOSING),
        ([CORE, HELD, STRAY], [State.OPEN, State.CLOSING], Mode.DRIFT),
        ([CORE, UNLISTED], [], Mode.SOLO_CORE),
        ([CORE, FORSAKEN], [], Mode.DRIFT),
        ([ServiceStatus(Role.CORE, Power.OFF), HELD], [State.OPEN], Mode.DRIFT),
        ([ServiceStatus(Role.CORE, Power.FAILING)], [], Mode.DRIFT),
        ([ServiceStatus(Role.CORE, Power.STARTING, alive=True)], [], Mode.SOLO_CORE),
    ],
)
def test_the_first_that_is_true(services: list[ServiceStatus], windows: list[State], mode: Mode) -> None:
    assert stack_mode.mode(services, windows) is mode


@pytest.mark.parametrize("windows", [[], [State.OPEN], [State.CLOSING]])
def test_rejected_goes_before_all_else(windows: list[State]) -> None:
    assert stack_mode.mode([CORE, STRAY], windows, rejected=True) is Mode.REJECTED
    assert stack_mode.mode([], windows, rejected=True) is Mode.REJECTED


def test_what_is_not_listed_does_not_count_whatever_it_does() -> None:
    odd = [
        ServiceStatus(Role.NONE, power, alive=alive, stop_pending=True, failures=3)
        for power in Power
        for alive in (True, False)
    ]
    assert stack_mode.mode([CORE, OFF, *odd], []) is Mode.SOLO_CORE


def test_the_order_of_the_modes_is_that_of_the_contract() -> None:
    assert [*Mode] == ["REJECTED", "DRIFT", "CLOSING", "OPEN", "SOLO_CORE"]


def test_of_several_stacks_the_first_that_is_true_of_any() -> None:
    assert stack_mode.worst([Mode.SOLO_CORE, Mode.CLOSING, Mode.OPEN]) is Mode.CLOSING
    assert stack_mode.worst([Mode.DRIFT, Mode.REJECTED]) is Mode.REJECTED
    assert stack_mode.worst([]) is None
