"""Every change and its entry are one: both are there, or neither is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from app.domain.enums import CallStatus, State
from app.domain.errors import NotAllowed, Refusal, TimeIsUp, UnknownStack, UnknownWindow, WhichWindow
from app.store import windows as rows
from app.store.tables import Call
from app.usecases.reconciliation import observations
from app.usecases.windows import transitions
from app.usecases.windows.transitions import OpenRequest
from tests.system import System


class PulledPlug(Exception):
    pass


def test_an_exception_after_a_change_leaves_neither_change_nor_entry(house: System) -> None:
    window = house.open("forge")
    before = house.trail()
    with pytest.raises(PulledPlug):
        _close_and_pull_the_plug(house, window)
    assert (house.state(window), house.trail()) == ("open", before)
    with pytest.raises(PulledPlug):
        _open_and_pull_the_plug(house)
    assert house.trail() == before
    assert house.intact()


def _close_and_pull_the_plug(house: System, window: str) -> None:
    with house.database.write() as session:
        found = rows.locked(session, window)
        assert found
        transitions.advance(session, found, State.CLOSING, actor="ada", now=house.now, detail="mistaken")
        session.flush()
        raise PulledPlug


def _open_and_pull_the_plug(house: System) -> None:
    with house.database.write() as session:
        transitions.open_window(session, OpenRequest(["mill"]), actor="ada", now=house.now)
        session.flush()
        raise PulledPlug


def test_the_trail_of_a_window_tells_its_whole_life(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.extend(window, 90)
    house.tick(90)
    assert house.trail(window) == [
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
    by = {entry.event: entry.actor for entry in house.entries(window)}
    assert (by["window.opening"], by["window.extended"]) == ("ada", "ada")
    assert (by["window.closing"], by["window.closed"]) == ("clock", "power-windows")


def test_a_call_is_told_with_its_whole_command_line(house: System) -> None:
    window = house.open("forge")
    told = {entry.event: json.loads(entry.facts) for entry in house.entries(window)}
    assert told["call.started"]["argv"] == ["docker", "compose", "up", "--", "forge"]
    assert told["call.finished"]["returncode"] == 0
    assert told["call.finished"]["elapsed_ms"] == 400


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
def test_a_refusal_is_put_on_record_whatever_it_says(house: System, refusal: Refusal) -> None:
    with house.database.write() as session:
        transitions.refuse(session, refusal, actor="bob", now=house.now, stack="studio", what="open")
    entry = house.entries()[-1]
    assert (entry.event, entry.actor, json.loads(entry.facts)["why"]) == ("refused", "bob", str(refusal))


def test_a_refusal_on_no_known_stack_goes_to_the_house(house: System) -> None:
    before = house.trail()
    with house.database.write() as session:
        refusal = UnknownStack("nowhere", ["studio"])
        transitions.refuse(session, refusal, actor="bob", now=house.now, stack="nowhere", what="open")
    assert house.trail() == before
    assert house.intact()


def test_publishing_the_same_stack_again_says_nothing(house: System) -> None:
    house.publish(house.spec)
    assert house.trail() == ["stack.loaded"]


@pytest.mark.parametrize("status", [CallStatus.OK, CallStatus.LOST])
def test_a_call_whose_end_is_on_record_is_not_lost_as_well(house: System, status: CallStatus) -> None:
    window = house.open("forge")
    with house.database.write() as session:
        call = session.scalars(select(Call).where(Call.window_id == window)).one()
        call.status = CallStatus.RUNNING
    with house.database.write() as session:
        found = session.scalars(select(Call).where(Call.status == CallStatus.RUNNING)).one()
        # Whoever was quicker is not seen in what was read before.
        quicker = update(Call).values(status=status).execution_options(synchronize_session=False)
        session.execute(quicker)
        observations.call_lost(session, found, house.now)

    assert not house.said("call.lost")
    assert house.intact()
