"""A change that only the idle poll or a resync notices is counted and logged; nothing ordinary is."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from app.domain.enums import Loop, Power, State
from app.domain.stack_id import StackId
from tests.engine.stacks import Stack, docker, running, until
from workers.state.inspection_queue import Trigger
from workers.state.repairs import EVENT_GRACE

QUIET = EVENT_GRACE.total_seconds() + 0.5
"""Seconds after a call or a request, in which it excuses what a resync finds."""


def confirmed(stack: Stack) -> list[str]:
    return until(lambda: stack.context.repairs.confirmed, "a repair is counted", 10, stack)


def test_a_lost_event_is_counted_once_a_resync_finds_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stack.repairs_expected = True
    stack.write({"forge": running()}).begin()
    stack.opened(stack.open("forge"))
    time.sleep(QUIET)
    monkeypatch.setattr(stack.watch.events, "handle", lambda *_: None)

    docker("kill", *stack.ids("forge"))
    until(lambda: not stack.alive(), "it is killed", 10, stack)
    stack.watch.mark_all(Trigger.RESYNC)

    assert "forge from on to " in confirmed(stack)[0]
    assert stack.context.guard.take_counts() == {Loop.REPAIRS: 1}
    assert "only the idle poll or a resync has noticed a change" in caplog.text


def test_a_missing_look_after_a_request_is_counted(stack: Stack) -> None:
    """The second window on a service that runs makes no event."""
    stack.repairs_expected = True
    stack.write({"forge": running()}).begin()
    stack.opened(stack.open("forge"))
    time.sleep(QUIET)
    look_again = stack.context.look_again

    def not_for_requests(name: str, services: Iterable[str] | None, trigger: Trigger) -> None:
        if trigger is not Trigger.REQUEST:
            look_again(StackId(name), services, trigger)

    stack.context.look_again = not_for_requests
    window = stack.open("forge")
    time.sleep(QUIET)
    assert stack.window(window).state == State.OPENING
    stack.watch.mark_all(Trigger.RESYNC)

    assert f"window {window} from opening to open" in confirmed(stack)[0]


def test_what_an_event_reported_is_not_counted(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    stack.opened(stack.open("forge"))
    time.sleep(QUIET)

    for _ in range(3):
        docker("restart", "-t", "0", *stack.ids("forge"))
        stack.watch.mark_all(Trigger.RESYNC)
        until(lambda: (row := stack.row("forge")) and row.power == Power.ON, "it is on", 10, stack)
        stack.watch.mark_all(Trigger.RESYNC)
    time.sleep(QUIET)

    assert (stack.context.repairs.confirmed, stack.context.guard.take_counts()) == ([], {})
