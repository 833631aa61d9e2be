"""The mode of a stack is the first that is true."""

from __future__ import annotations

import pytest

from app.domain import modes
from app.domain.modes import Standing
from app.domain.words import Mode, Power, Role, State

CORE = Standing(Role.CORE, Power.ON, alive=True)
OFF = Standing(Role.ALLOWED, Power.OFF)
HELD = Standing(Role.ALLOWED, Power.ON, alive=True, held=True, awaited=True)
LEAVING = Standing(Role.ALLOWED, Power.STOPPING, alive=True, awaited=True, owed=True)
STRAY = Standing(Role.ALLOWED, Power.ON, alive=True)
UNLISTED = Standing(Role.NONE, Power.ON, alive=True)
FORSAKEN = Standing(Role.ALLOWED, Power.UNKNOWN, owed=True)


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
        ([Standing(Role.CORE, Power.OFF), HELD], [State.OPEN], Mode.DRIFT),
        ([Standing(Role.CORE, Power.FAILING)], [], Mode.DRIFT),
        ([Standing(Role.CORE, Power.STARTING, alive=True)], [], Mode.SOLO_CORE),
    ],
)
def test_the_first_that_is_true(services: list[Standing], windows: list[State], mode: Mode) -> None:
    assert modes.mode(services, windows) is mode


def test_of_several_stacks_the_first_that_is_true_of_any() -> None:
    assert modes.worst([Mode.SOLO_CORE, Mode.CLOSING, Mode.OPEN]) is Mode.CLOSING
    assert modes.worst([]) is None
