"""What the call of a service's `pre_stop` hooks says of the service: nothing, unless workers die of it."""

from __future__ import annotations

import pytest

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Power
from app.domain.stack_id import StackId
from app.store.tables import Call
from app.usecases.reconciliation import calls
from app.usecases.windows import close as ending
from tests.system import System


@pytest.fixture
def closing(system: System) -> System:
    """One whose window on the forge is closed, with nothing stopped yet."""
    window = system.open("forge")
    with system.database.write() as session:
        ending.close(session, window, actor="ada", now=system.now)
    return system


def begun(system: System, action: Action) -> int:
    with system.database.write() as session:
        made = StartedCall(StackId("studio"), "forge", action, ("docker", "compose"), "local", "worker-1")
        return calls.start_call(session, made, system.now)


def lose(system: System, action: Action) -> None:
    number = begun(system, action)
    with system.database.write() as session:
        call = session.get(Call, number)
        assert call
        calls.lose_call(session, call, system.now)


@pytest.mark.parametrize("status", [CallStatus.FAIL, CallStatus.TIMEOUT, CallStatus.CANCELLED])
def test_hooks_that_end_badly_are_no_failed_stop(closing: System, status: CallStatus) -> None:
    number = begun(closing, Action.PRE_STOP)
    assert closing.row("forge").power == Power.STOPPING
    with closing.database.write() as session:
        calls.finish_call(session, number, CallOutcome(status, None, 10), closing.now)

    assert (closing.row("forge").failures, closing.row("forge").retry_at) == (0, None)


def test_hooks_that_end_well_are_no_stop(closing: System) -> None:
    number = begun(closing, Action.PRE_STOP)
    with closing.database.write() as session:
        calls.finish_call(session, number, CallOutcome(CallStatus.OK, 0, 10), closing.now)

    assert (closing.row("forge").stop_pending, closing.row("forge").unsure) == (True, True)


@pytest.mark.parametrize(
    "calls",
    [(Action.PRE_STOP, Action.PRE_STOP), (Action.STOP, Action.STOP), (Action.PRE_STOP, Action.STOP)],
)
def test_two_calls_in_a_row_whose_worker_died_wait_like_a_failed_stop(
    closing: System, calls: tuple[Action, Action]
) -> None:
    lose(closing, calls[0])
    assert closing.row("forge").failures == 0

    lose(closing, calls[1])

    assert closing.row("forge").failures == 1
    assert closing.row("forge").retry_at


def test_hooks_in_between_do_not_part_two_lost_stops(closing: System) -> None:
    lose(closing, Action.STOP)
    number = begun(closing, Action.PRE_STOP)
    with closing.database.write() as session:
        calls.finish_call(session, number, CallOutcome(CallStatus.FAIL, 1, 10), closing.now)

    lose(closing, Action.STOP)

    assert closing.row("forge").failures == 1
