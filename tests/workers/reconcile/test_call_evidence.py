"""Which calls are evidence: those that failed, and the stop during which the container ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.enums import Action, CallStatus
from app.domain.readiness import Container
from app.store.tables import Call
from workers.reconcile import call_evidence

BEGAN = datetime(2026, 5, 1, 10, tzinfo=UTC)


def of(action: Action, ended_after: float, *, status: CallStatus = CallStatus.OK) -> str:
    call = Call(
        action=action,
        status=status,
        argv=[],
        stdout="",
        stderr="",
        elapsed_ms=2000,
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(seconds=2),
    )
    ended = BEGAN + timedelta(seconds=ended_after)
    container = Container("c1", "web", "exited", exit_code=137, finished_at=ended)
    return call_evidence.of_call(call, container, lambda text: tuple(text.splitlines())).action


@pytest.mark.parametrize(
    ("action", "ended_after", "expected"),
    [
        (Action.STOP, 1.9, "stop"),
        (Action.STOP, -5.0, ""),
        (Action.STOP, 60.0, ""),
        (Action.UP, 1.0, ""),
    ],
    ids=["ended by the stop", "ended before the stop", "ended long after it", "a start"],
)
def test_a_stop_that_went_well_is_evidence_where_the_container_ended_in_it(
    action: Action, ended_after: float, expected: str
) -> None:
    assert of(action, ended_after) == expected


def test_a_call_that_failed_is_evidence() -> None:
    assert of(Action.UP, -5.0, status=CallStatus.FAIL) == "up"
