"""Every change and its entry are one: both are there, or neither is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from app.domain.enums import CallStatus, State
from app.domain.errors import NotAllowed, Refusal, TimeIsUp, UnknownStack, UnknownWindow, WhichWindow
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.store.tables import Call
from app.usecases.reconciliation import calls
from app.usecases.windows import open as opening
from app.usecases.windows import refusals, transitions
from app.usecases.windows.open import OpenRequest
from tests.system import System


class Crash(Exception):
    pass


def test_an_exception_after_a_change_leaves_neither_change_nor_entry(system: System) -> None:
    window = system.open("forge")
    before = system.trail()
    with pytest.raises(Crash):
        _close_and_crash(system, window)
    assert (system.state(window), system.trail()) == ("open", before)
    with pytest.raises(Crash):
        _open_and_pull_the_plug(system)
    assert system.trail() == before
    assert system.intact()


def _close_and_crash(system: System, window: str) -> None:
    with system.database.write() as session:
        row = rows.lock_window(session, window)
        assert row
        transitions.advance(session, row, State.CLOSING, actor="ada", now=system.now, detail="mistaken")
        session.flush()
        raise Crash


def _open_and_pull_the_plug(system: System) -> None:
    with system.database.write() as session:
        opening.open_window(session, OpenRequest(["mill"]), actor="ada", now=system.now)
        session.flush()
        raise Crash


def test_the_trail_of_a_window_tells_its_whole_life(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.extend(window, 90)
    system.tick(90)
    assert system.trail(window) == [
        "window.opening",
        "call.started",
        "call.finished",
        "service.ready",
        "window.open",
        "window.extended",
        "window.closing",
        "call.started",
        "call.finished",
        "window.closed",
    ]
    by = {entry.event: entry.actor for entry in system.entries(window)}
    assert (by["window.opening"], by["window.extended"]) == ("ada", "ada")
    assert (by["window.closing"], by["window.closed"]) == ("clock", "power-windows")


def test_a_call_is_reported_with_its_whole_command_line(system: System) -> None:
    window = system.open("forge")
    facts_of = {entry.event: json.loads(entry.facts) for entry in system.entries(window)}
    assert facts_of["call.started"]["argv"] == ["docker", "compose", "up", "--", "forge"]
    assert facts_of["call.finished"]["returncode"] == 0
    assert facts_of["call.finished"]["elapsed_ms"] == 400


@pytest.mark.parametrize(
    "refusal",
    [
        NotAllowed("studio", ["redis"], ["forge"]),
        TimeIsUp("0" * 16, "closed", datetime(2030, 5, 1, tzinfo=UTC)),
        UnknownStack("nowhere", ["studio"]),
        UnknownWindow("0" * 16),
        WhichWindow(["a", "b"]),
    ],
)
def test_a_refusal_is_put_on_record_whatever_it_says(system: System, refusal: Refusal) -> None:
    with system.database.write() as session:
        refusals.record_refusal(
            session, refusal, actor="bob", now=system.now, stack=StackId("studio"), what="open"
        )
    entry = system.entries()[-1]
    assert (entry.event, entry.actor, json.loads(entry.facts)["why"]) == ("refused", "bob", str(refusal))


def test_a_refusal_on_an_unknown_stack_goes_to_the_system_chain(system: System) -> None:
    before = system.trail()
    with system.database.write() as session:
        refusal = UnknownStack("nowhere", ["studio"])
        refusals.record_refusal(
            session, refusal, actor="bob", now=system.now, stack=StackId("nowhere"), what="open"
        )
    assert system.trail() == before
    assert system.intact()


def test_publishing_the_same_stack_again_says_nothing(system: System) -> None:
    system.publish(system.spec)
    assert system.trail() == ["stack.loaded"]


@pytest.mark.parametrize("status", [CallStatus.OK, CallStatus.LOST])
def test_a_call_whose_end_is_on_record_is_not_lost_as_well(system: System, status: CallStatus) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        call = session.scalars(select(Call).where(Call.window_id == window)).one()
        call.status = CallStatus.RUNNING
    with system.database.write() as session:
        row = session.scalars(select(Call).where(Call.status == CallStatus.RUNNING)).one()
        # A change that committed in between is missing in what was read before.
        quicker = update(Call).values(status=status).execution_options(synchronize_session=False)
        session.execute(quicker)
        calls.lose_call(session, row, system.now)

    assert not system.said("call.lost")
    assert system.intact()
