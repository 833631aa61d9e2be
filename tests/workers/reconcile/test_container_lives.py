"""Which containers say why a service fails now: none of an earlier window, none that the product stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from app.domain.enums import Action, CallStatus
from app.domain.readiness import Container
from app.domain.stack_id import StackId
from app.store.tables import Call
from tests.system import NOON, System
from workers.engine.client import Engine
from workers.reconcile import container_lives
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest
from workers.state.identity import Identity


@pytest.fixture
def context(system: System, tmp_path: Path) -> WorkerContext:
    me = Identity(tmp_path / "locks", "local")
    return WorkerContext(system.database, cast(Engine, None), me, "local", tmp_path / "locks")


def ended(began: float, end: float) -> Container:
    """A container that ran from `began` to `end`, in seconds after noon."""
    return Container(
        "c1",
        "forge",
        "exited",
        started_at=NOON + timedelta(seconds=began),
        finished_at=NOON + timedelta(seconds=end),
    )


def containers_of_window(context: WorkerContext, *containers: Container) -> tuple[Container, ...] | None:
    request = DiagnosisRequest(StackId("studio"), "forge", "exited with code 0", containers)
    limited = container_lives.of_this_window(context, request)
    return limited.containers if limited else None


def test_what_ended_before_the_window_began_says_nothing(context: WorkerContext, system: System) -> None:
    system.now += timedelta(seconds=100)
    system.ask("forge")
    old, new = ended(0, 50), ended(110, 111)

    assert containers_of_window(context, old) is None
    assert containers_of_window(context, old, new) == (new,)


def test_what_the_product_stopped_says_nothing(context: WorkerContext, system: System) -> None:
    window = system.open("forge")
    system.now += timedelta(seconds=60)
    system.close(window)

    assert containers_of_window(context, ended(0, 60.1)) is None
    assert containers_of_window(context, ended(0, 30)) == (ended(0, 30),)
    assert containers_of_window(context, ended(80, 90)) == (ended(80, 90),)


def test_a_start_that_failed_is_diagnosed_without_the_container_of_before(
    context: WorkerContext, system: System
) -> None:
    system.now += timedelta(seconds=100)
    window, _new = system.ask("forge")
    with system.database.write() as session:
        session.add(call(Action.UP, 101, 102, CallStatus.FAIL, window))

    assert containers_of_window(context, ended(0, 50)) == ()
    request = DiagnosisRequest(StackId("studio"), "forge")
    assert container_lives.since_failed_start(context, request, [ended(0, 50), ended(101, 102)]) == [
        ended(101, 102)
    ]


def call(
    action: Action, began: float, end: float | None, status: CallStatus = CallStatus.OK, window: str = ""
) -> Call:
    return Call(
        window_id=window,
        stack=StackId("studio"),
        service="forge",
        node="local",
        worker="local",
        action=action,
        argv=[],
        status=status,
        started_at=NOON + timedelta(seconds=began),
        finished_at=None if end is None else NOON + timedelta(seconds=end),
    )


@pytest.mark.parametrize(
    ("of_product", "made"),
    [
        (True, call(Action.STOP, 55, 61)),
        (True, call(Action.STOP, 55, 59)),
        (True, call(Action.KILL, 59, None, CallStatus.RUNNING)),
        (True, call(Action.PRE_STOP, 59, 90, CallStatus.LOST)),
        (True, call(Action.UP, 58, 62)),
        (False, call(Action.UP, 50, 59)),
        (False, call(Action.STOP, 20, 30)),
        (False, call(Action.STOP, 60.4, 61)),
        (False, call(Action.STOP, 70, 71)),
        (False, call(Action.SHARE, 58, 62)),
    ],
)
def test_an_end_during_a_call_is_of_the_product(made: Call, *, of_product: bool) -> None:
    assert container_lives.ended_by(ended(10, 60), made) is of_product


def test_a_program_that_fails_before_its_start_returns_failed_by_itself() -> None:
    assert not container_lives.ended_by(ended(58.3, 58.4), call(Action.UP, 58, 58.5))
