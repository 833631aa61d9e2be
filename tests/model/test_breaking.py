"""The model notices when a rule of the house is broken; or its silence would say nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from app.domain.enums import Action, CallStatus, State, Status
from app.store import windows as rows
from app.store.tables import Service
from app.usecases.reconciliation import calls, power_decisions
from app.usecases.reconciliation.power_decisions import DueCalls
from app.usecases.windows import extend as extending
from app.usecases.windows import transitions
from tests.databases import Databases
from tests.model import everywhere
from tests.model.crashes import ENGINE, KILL, Interruption, statements
from tests.model.everywhere import NOWHERE
from tests.model.machine import Machine, Stage
from tests.model.stage import stage
from workers.loops.inspections import Inspections
from workers.reconcile import attend, converge
from workers.state.inspection_queue import Trigger


@pytest.fixture(scope="module")
def here(databases: Databases) -> Iterator[Stage]:
    with stage(databases, "sqlite") as found:
        yield found


@pytest.mark.parametrize("life", everywhere.LIVES)
def test_a_life_without_a_fault_is_found_to_have_none(here: Stage, life: str) -> None:
    everywhere.live(here, life=life)


def _said(session: Any, window: Any, event: Any, *_: Any, **__: Any) -> None:
    """Nothing is."""


def _failed_is_off(session: Any, service: Any, call: Any, now: Any) -> None:
    _stopped(session, service, call, now)
    if call.status == CallStatus.FAIL:
        service.stop_pending = False


_stopped, _expect = calls._conclude_stop, calls._expect


def _surely(session: Any, begun: Any, now: Any) -> None:
    _expect(session, begun, now)
    if begun.action is Action.UP:
        row = session.get(Service, (begun.stack, begun.service))
        row.unsure = False


def _without_lease(*_: Any) -> bool:
    return True


class _Anybody(str):
    """Every actor is like the owner."""

    __slots__ = ()

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


def _shortened(session: Any, window: str, ttl: float, *, actor: str, now: Any) -> Any:
    return _extend(session, window, ttl, actor=_Anybody(actor), now=now)


_extend = extending.extend


def _shortening(machine: Machine) -> None:
    machine._open("ada", "studio", ["forge"], 600.0)
    machine._extend("bob", machine._window(0), 10.0)


def _closed_meanwhile(machine: Machine) -> None:
    """After it was found to be startable, and before its lock is taken."""
    line = next(
        where
        for where in statements(("workers/reconcile/converge.py",))
        if where[1] > converge.converge.__code__.co_firstlineno
    )
    machine._open("ada", "studio", ["forge"], 600.0)
    machine._hand(0, [Interruption("close", at=line)], "nothing", machine._until_quiet)


def _cut_off(machine: Machine) -> None:
    """The worker dies in a start that comes all the same, when nobody wants it any more."""
    machine._open("ada", "studio", ["forge"], 600.0)
    machine._hand(0, [Interruption(KILL, at=(ENGINE, 1))], "late", machine._until_quiet)
    machine._close("ada", machine._window(0))
    machine._hand(1, (), "nothing", machine._until_quiet)
    machine.world.spend(60.0)


def _without(trigger: Trigger) -> Callable[[], Any]:
    """A watch that misses every mark of one kind."""
    mark = Inspections.mark

    def deaf(inspections: Inspections, stack: str, services: Iterable[str] | None, asked: Trigger) -> None:
        if asked is not trigger:
            mark(inspections, stack, services, asked)

    return lambda: mock.patch.object(Inspections, "mark", deaf)


def _joining(machine: Machine) -> None:
    """A window on what runs already, which makes no event."""
    for _ in range(2):
        machine._open("ada", "studio", ["forge"], 600.0)
        machine._follow_marks(0)


def _healing(machine: Machine) -> None:
    """A service gets healthy long after its start."""
    machine._open("ada", "studio", ["db"], 600.0)
    machine._follow_marks(0, rounds=3)
    machine.world.health(("studio", "db"), "healthy")
    machine._follow_marks(0, rounds=2)


def _leaving_alone(machine: Machine) -> None:
    """The first of two windows on one service ends: there is nothing to stop."""
    _joining(machine)
    machine._close("ada", machine._window(1))
    machine._follow_marks(0)


def _closing_shared(machine: Machine) -> None:
    # Opened with polls, so that only the end is without one.
    for _ in range(2):
        machine._open("ada", "studio", ["forge"], 600.0)
        machine._hand(0, (), "nothing", machine._until_quiet)
        machine._hand(0, (), "nothing", machine._until_quiet)
    machine._close("ada", machine._window(1))
    machine._follow_marks(0)


LIVELY = {"joining": _joining, "healing": _healing, "leaving": _leaving_alone}


@pytest.mark.parametrize("life", LIVELY)
def test_every_window_moves_without_a_poll(here: Stage, life: str) -> None:
    machine = Machine(here)
    try:
        machine.somebody_works()
        LIVELY[life](machine)
        machine.record.moved()
        states = {one.state for one in machine.plain.promises.values()}
        assert states <= {State.OPEN, State.CLOSED}, states
    finally:
        machine.leave()


def _begun_by_hand(machine: Machine) -> None:
    """A hand had started what a window then held."""
    machine._started_by_hand(("studio", "forge"))
    machine._open("ada", "studio", ["forge"], 600.0)
    machine._hand(0, (), "nothing", machine._until_quiet)
    machine._close("ada", machine._window(0))
    machine._hand(0, (), "nothing", machine._until_quiet)
    machine.what_must_hold_holds()


@contextmanager
def _stops_in_spite() -> Iterator[None]:
    wanted = mock.Mock(wraps=rows, is_wanted=lambda *_: False)
    with mock.patch.multiple(power_decisions, stoppable=lambda *_: ["forge"], rows=wanted):
        yield


@dataclass
class Broken:
    how: Callable[[], Any]
    noticed: str
    """What the check says that has to notice it."""
    life: str = "overlapping"
    killed_in: tuple[str, int] | None = None
    """A file and how many of its last statements are tried."""
    do: Callable[[Machine], None] | None = None


BROKEN: dict[str, Broken] = {
    "a change is not on record": Broken(
        lambda: mock.patch.object(transitions, "record_entry", _said),
        "its states are not those that the trail tells of",
    ),
    "a window is open before it is ready": Broken(
        lambda: mock.patch("app.usecases.windows.settle.windows.status", return_value=Status.OK),
        "none of its services was ever ready",
    ),
    "nobody stops anything": Broken(
        lambda: mock.patch.object(attend, "next_stops", return_value=DueCalls()), "is still on"
    ),
    "a service is stopped in spite of a lease": Broken(_stops_in_spite, "which a live window holds"),
    "nobody minds a lock": Broken(
        lambda: mock.patch("app.store.locks._take", return_value=True), "two calls at a time|without a lock"
    ),
    "a dead worker's calls are not looked for": Broken(
        lambda: mock.patch("workers.loops.lost_calls.LostCalls.is_lost", return_value=False),
        "still on|closing|never ended|owe",
        killed_in=("workers/reconcile/converge.py", 40),
    ),
    "a window holds nothing": Broken(
        lambda: mock.patch("app.usecases.windows.open.hold_services"),
        "was never off|is still on",
        do=_begun_by_hand,
    ),
    "a start without a lease": Broken(
        lambda: mock.patch.object(power_decisions, "is_opening", _without_lease),
        "which no live window holds",
        do=_closed_meanwhile,
    ),
    "a failed stop counts as off": Broken(
        lambda: mock.patch.object(calls, "_conclude_stop", _failed_is_off),
        "was never off|still on",
        life="in trouble",
    ),
    "anybody may shorten": Broken(
        lambda: mock.patch("app.usecases.windows.extend.extend", _shortened), "WouldShorten", do=_shortening
    ),
    "a request asks for no look": Broken(
        _without(Trigger.REQUEST), "is opening, and all of .* are ready", do=_joining
    ),
    "an event asks for no look": Broken(
        _without(Trigger.EVENT), "is opening, and all of .* are ready", do=_healing
    ),
    "a closing window asks for no look": Broken(
        _without(Trigger.REQUEST), "is closing, and nothing is left", do=_closing_shared
    ),
    "a start that may yet come is forgotten": Broken(
        lambda: mock.patch.object(calls, "_expect", _surely), "is still on|was never off", do=_cut_off
    ),
}


def _tried(here: Stage, one: Broken) -> None:
    if one.do:
        machine = Machine(here)
        try:
            machine.somebody_works()
            one.do(machine)
            machine.everything_runs_again()
        finally:
            machine.leave()
    places = [NOWHERE]
    if one.killed_in:
        name, last = one.killed_in
        places = [where for where in everywhere.reached(here) if where[0] == name][-last:]
    everywhere.killed_at(here, places, one.life)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_noticed(here: Stage, what: str) -> None:
    one = BROKEN[what]
    with one.how(), pytest.raises(AssertionError, match=one.noticed):
        _tried(here, one)


def test_a_machine_counts_its_steps(here: Stage) -> None:
    before = here.steps
    machine = Machine(here)
    machine.somebody_works()
    machine.what_must_hold_holds()
    machine.teardown()
    assert here.steps == before + 2
