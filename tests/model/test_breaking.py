"""The model test fails when a rule of the product is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from app.domain.enums import Action, CallStatus, State, Status
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.store.tables import Service
from app.usecases.reconciliation import calls, power_decisions
from app.usecases.reconciliation.power_decisions import DueCalls
from app.usecases.windows import extend as extending
from app.usecases.windows import transitions
from tests.databases import Databases
from tests.model import kill_everywhere
from tests.model.environment import Environment, prepare_environment
from tests.model.interruptions import ENGINE, KILL, Interruption, statements
from tests.model.kill_everywhere import NOWHERE
from tests.model.machine import Machine
from workers.loops.inspections import Inspections
from workers.reconcile import attend, converge
from workers.state.inspection_queue import Trigger


@pytest.fixture(scope="module")
def environment(databases: Databases) -> Iterator[Environment]:
    with prepare_environment(databases, "sqlite") as prepared:
        yield prepared


@pytest.mark.parametrize("scenario", kill_everywhere.SCENARIOS)
def test_a_life_without_a_fault_is_found_to_have_none(environment: Environment, scenario: str) -> None:
    kill_everywhere.run_scenario(environment, scenario=scenario)


def _skip_entry(session: Any, window: Any, event: Any, *_: Any, **__: Any) -> None:
    """Write no audit entry."""


def _count_failed_stop(session: Any, service: Any, call: Any, now: Any) -> None:
    _conclude_stop(session, service, call, now)
    if call.status == CallStatus.FAIL:
        service.stop_pending = False


_conclude_stop, _mark_service_changing = calls.conclude_stop, calls.mark_service_changing


def _forget_unsure(session: Any, begun: Any, now: Any) -> None:
    _mark_service_changing(session, begun, now)
    if begun.action is Action.UP:
        row = session.get(Service, (begun.stack, begun.service))
        row.unsure = False


def _always_true(*_: Any) -> bool:
    return True


class _EqualToAll(str):
    """An actor that is equal to the owner."""

    __slots__ = ()

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


def _allow_shortening(session: Any, window: str, ttl: float, *, actor: str, now: Any) -> Any:
    return request_extension(session, window, ttl, actor=_EqualToAll(actor), now=now)


request_extension = extending.extend


def _shorten(machine: Machine) -> None:
    machine.request_window("ada", "studio", ["forge"], 600.0)
    machine.request_extension("bob", machine.window_at(0), 10.0)


def _close_before_lock(machine: Machine) -> None:
    """Close a window after its start is due, and before the service's lock is taken."""
    line = next(
        where
        for where in statements(("workers/reconcile/converge.py",))
        if where[1] > converge.converge.__code__.co_firstlineno
    )
    machine.request_window("ada", "studio", ["forge"], 600.0)
    machine.run_worker(0, [Interruption("close", at=line)], "nothing", machine.work_until_idle)


def _die_in_start(machine: Machine) -> None:
    """Kill the worker in a start that comes about after the window is closed."""
    machine.request_window("ada", "studio", ["forge"], 600.0)
    machine.run_worker(0, [Interruption(KILL, at=(ENGINE, 1))], "late", machine.work_until_idle)
    machine.request_close("ada", machine.window_at(0))
    machine.run_worker(1, (), "nothing", machine.work_until_idle)
    machine.world.advance(60.0)


def _drop_trigger(trigger: Trigger) -> Callable[[], Any]:
    """Return a patch that drops every mark with this trigger."""
    mark = Inspections.mark

    def mark_others(
        inspections: Inspections, stack: str, services: Iterable[str] | None, asked: Trigger
    ) -> None:
        if asked is not trigger:
            mark(inspections, StackId(stack), services, asked)

    return lambda: mock.patch.object(Inspections, "mark", mark_others)


def _join(machine: Machine) -> None:
    """Open a second window on a running service, which causes no event."""
    for _ in range(2):
        machine.request_window("ada", "studio", ["forge"], 600.0)
        machine.work_without_polls(0)


def _heal(machine: Machine) -> None:
    """Make a service healthy long after its start."""
    machine.request_window("ada", "studio", ["db"], 600.0)
    machine.work_without_polls(0, rounds=3)
    machine.world.set_health(("studio", "db"), "healthy")
    machine.work_without_polls(0, rounds=2)


def _close_first(machine: Machine) -> None:
    """Close the first of two windows on one service: there is no service to stop."""
    _join(machine)
    machine.request_close("ada", machine.window_at(1))
    machine.work_without_polls(0)


def _close_shared(machine: Machine) -> None:
    # The windows are opened with polls; only the end is without one.
    for _ in range(2):
        machine.request_window("ada", "studio", ["forge"], 600.0)
        machine.run_worker(0, (), "nothing", machine.work_until_idle)
        machine.run_worker(0, (), "nothing", machine.work_until_idle)
    machine.request_close("ada", machine.window_at(1))
    machine.work_without_polls(0)


def _drift_past_grace(machine: Machine) -> None:
    """Start a service by hand in the stack whose drift is stopped, and let its grace end."""
    machine.start_by_hand(("attic", "forge"))
    machine.work_without_polls(0)
    machine.world.advance(61.0)
    machine.work_without_polls(0)


WITHOUT_POLLS = {
    "joining": _join,
    "healing": _heal,
    "leaving": _close_first,
    "drifting past the grace": _drift_past_grace,
}


@pytest.mark.parametrize("scenario", WITHOUT_POLLS)
def test_every_window_moves_without_a_poll(environment: Environment, scenario: str) -> None:
    machine = Machine(environment)
    try:
        machine.start_first_worker()
        WITHOUT_POLLS[scenario](machine)
        machine.record.check_windows()
        states = {one.state for one in machine.expected.windows.values()}
        assert states <= {State.OPEN, State.CLOSED}, states
    finally:
        machine.leave()


def _adopt_hand_started(machine: Machine) -> None:
    """Start a service by hand, then open and close a window on it."""
    machine.start_by_hand(("studio", "forge"))
    machine.request_window("ada", "studio", ["forge"], 600.0)
    machine.run_worker(0, (), "nothing", machine.work_until_idle)
    machine.request_close("ada", machine.window_at(0))
    machine.run_worker(0, (), "nothing", machine.work_until_idle)
    machine.check_after_step()


@contextmanager
def _stop_wanted() -> Iterator[None]:
    wanted = mock.Mock(wraps=rows, is_wanted=lambda *_: False)
    with mock.patch.multiple(power_decisions, stoppable=lambda *_: ["forge"], rows=wanted):
        yield


@dataclass
class Broken:
    how: Callable[[], Any]
    noticed: str
    """A pattern of the message of the check that must fail."""
    scenario: str = "overlapping"
    killed_in: tuple[str, int] | None = None
    """A file, and at how many of its last reached statements the process is killed."""
    do: Callable[[Machine], None] | None = None


BROKEN: dict[str, Broken] = {
    "a change is not on record": Broken(
        lambda: mock.patch.object(transitions, "record_entry", _skip_entry),
        "the audit trail and the windows disagree",
    ),
    "a window is open before it is ready": Broken(
        lambda: mock.patch("app.usecases.windows.settle.windows.status", return_value=Status.OK),
        "none of its services was ever ready",
    ),
    "no stop is ever due": Broken(
        lambda: mock.patch.object(attend, "next_stops", return_value=DueCalls()), "is still on"
    ),
    "a service is stopped in spite of a lease": Broken(_stop_wanted, "which a live window holds"),
    "a lock is ignored": Broken(
        lambda: mock.patch("app.store.locks._take", return_value=True), "two calls at a time|without a lock"
    ),
    "calls of a dead worker are not declared lost": Broken(
        lambda: mock.patch("workers.loops.lost_calls.LostCalls.is_lost", return_value=False),
        "still on|closing|never ended|pending",
        killed_in=("workers/reconcile/converge.py", 40),
    ),
    "a window holds nothing": Broken(
        lambda: mock.patch("app.usecases.windows.open.hold_services"),
        "was never off|is still on",
        do=_adopt_hand_started,
    ),
    "a start without a lease": Broken(
        lambda: mock.patch.object(power_decisions, "is_opening", _always_true),
        "which no live window holds",
        do=_close_before_lock,
    ),
    "a failed stop counts as off": Broken(
        lambda: mock.patch.object(calls, "conclude_stop", _count_failed_stop),
        "was never off|still on",
        scenario="in set_faults",
    ),
    "every actor may shorten": Broken(
        lambda: mock.patch("app.usecases.windows.extend.extend", _allow_shortening),
        "WouldShorten",
        do=_shorten,
    ),
    "a request marks no service": Broken(
        _drop_trigger(Trigger.REQUEST), "is opening, and all of .* are ready", do=_join
    ),
    "an event marks no service": Broken(
        _drop_trigger(Trigger.EVENT), "is opening, and all of .* are ready", do=_heal
    ),
    "a closing window marks no service": Broken(
        _drop_trigger(Trigger.REQUEST), "is closing, and no stop is pending", do=_close_shared
    ),
    "the end of a drift's grace leads to no inspection": Broken(
        lambda: mock.patch("workers.reconcile.inspect.drift.grace_ends", return_value={}),
        "longer than its grace",
        do=_drift_past_grace,
    ),
    "a start that may come late is forgotten": Broken(
        lambda: mock.patch.object(calls, "mark_service_changing", _forget_unsure),
        "is still on|was never off",
        do=_die_in_start,
    ),
}


def _run_broken(environment: Environment, one: Broken) -> None:
    if one.do:
        machine = Machine(environment)
        try:
            machine.start_first_worker()
            one.do(machine)
            machine.recover_and_check()
        finally:
            machine.leave()
    places = [NOWHERE]
    if one.killed_in:
        name, last = one.killed_in
        places = [where for where in kill_everywhere.reached_statements(environment) if where[0] == name][
            -last:
        ]
    kill_everywhere.kill_at(environment, places, one.scenario)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_noticed(environment: Environment, what: str) -> None:
    one = BROKEN[what]
    with one.how(), pytest.raises(AssertionError, match=one.noticed):
        _run_broken(environment, one)


def test_a_machine_counts_its_steps(environment: Environment) -> None:
    before = environment.steps
    machine = Machine(environment)
    machine.start_first_worker()
    machine.check_after_step()
    machine.teardown()
    assert environment.steps == before + 2
