"""Every move of a window follows promptly: nothing waits for a poll, a slow neighbour or a lock.

Limits are wide, since machines that run tests are slow; what they rule out is the idle
poll (60 s), the grace of another service and the length of another start.
"""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from app.domain.enums import Action, CallStatus, Event, State, Status
from app.domain.stack_id import StackId
from app.usecases.windows import close as closing
from tests.engine.stacks import Stack, checked, docker, exits, needs, python, running, until
from workers.loops.call_output_writer import CallOutputWriter
from workers.state.concurrency import CallQueue, Limits

PROMPT = 5.0
"""Seconds that a move may take here; on a machine of its own it takes less than one."""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
SLOW_START = [{"command": ["python3", "-c", "import time; time.sleep(25)"]}]


def took(stack: Stack, window: str) -> float:
    """Seconds from being asked for to being open."""
    row = stack.window(window)
    assert row.opened_at
    return (row.opened_at - row.created_at).total_seconds()


# A window on what is on already.


def test_a_second_window_on_running_services_opens_at_once(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    stack.opened(stack.open("forge", "mill"))

    for names in (["forge"], ["forge", "mill"], ["mill"]):
        window = stack.opened(stack.open(*names), within=PROMPT)
        assert (window.status, took(stack, window.id) < PROMPT) == (Status.OK, True)
    assert [call.action for call in stack.calls()] == [Action.UP] * 2


def test_a_window_whose_message_is_lost_opens_too(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    stack.opened(stack.open("forge"))

    assert stack.opened(stack.ask("forge"), within=PROMPT).status == Status.OK


def test_a_short_window_on_running_services_was_open(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    stack.opened(stack.open("forge"))

    window = stack.closed(stack.open("forge", ttl=5.0))

    assert (window.opened_at is not None, window.status) == (True, Status.OK)


def test_a_window_on_what_a_person_started_opens_at_once(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    stack.by_hand("up", "-d", "forge", "mill")
    until(lambda: (row := stack.row("forge")) and row.alive, "it is seen", 20, stack)

    assert stack.opened(stack.open("forge", "mill"), within=PROMPT).status == Status.OK
    assert stack.calls() == []


def test_a_window_on_a_one_shot_that_is_done_opens_at_once(stack: Stack) -> None:
    stack.write({"job": exits(0), "report": running(**needs(job="completed"))}).begin()
    stack.opened(stack.open("report"))

    assert stack.opened(stack.open("job"), within=PROMPT).status == Status.OK
    assert stack.opened(stack.open("report"), within=PROMPT).status == Status.OK
    assert len(stack.calls("job")) == 1


def test_a_window_that_needs_core_that_is_down_fails_at_once(stack: Stack) -> None:
    stack.write({"redis": running(), "api": running(**needs(redis="started"))}, core=["redis"]).begin()
    until(lambda: stack.row("redis"), "core is looked at", 20, stack)

    window = stack.settled(stack.open("api"), State.CLOSING, State.CLOSED, within=PROMPT)

    assert window.status == Status.FAIL
    assert stack.lease(window.id, "api").detail.startswith("needs core service redis")


def test_a_window_on_what_has_failed_for_another_is_judged_at_once(stack: Stack) -> None:
    crashing = python("time.sleep(0.3); sys.exit(1)", restart="always")
    stack.write({"forge": crashing, "mill": running()}).begin()
    stack.opened(stack.open("forge", "mill"), within=40)

    window = stack.settled(stack.open("forge"), State.CLOSING, State.CLOSED, within=PROMPT)

    assert window.status == Status.FAIL


def test_a_close_of_what_others_hold_is_over_at_once(stack: Stack) -> None:
    stack.write({"forge": running(), "slow": python(STUBBORN, stop_grace_period="15s")}).begin()
    first, second = stack.open("forge"), stack.open("forge")
    slow = stack.open("slow")
    for window in (first, second, slow):
        stack.opened(window)

    stack.close(slow)
    until(lambda: stack.calls("slow")[-1].action == Action.STOP, "its stop is under way", 10, stack)
    stack.close(second)

    stack.closed(second, within=PROMPT)
    assert stack.window(slow).state == State.CLOSING
    assert stack.alive() >= {"forge"}


# A window waits for its whole closure.


def test_a_dependency_that_takes_its_time_is_waited_for(stack: Stack) -> None:
    definitions = {"vpn": checked(4), "dl": running(network_mode="service:vpn")}
    stack.write(definitions).begin()

    window = stack.opened(stack.open("dl"))

    assert window.status == Status.OK
    assert stack.lease(window.id, "vpn").ready
    facts = [entry.facts for entry in stack.entries(Event.WINDOW_OPEN)]
    assert len(facts) == 1
    assert "partial" not in facts[0]


@pytest.mark.parametrize("condition", ["started", "healthy"])
def test_no_window_is_partial_because_a_dependency_is_slow(stack: Stack, condition: str) -> None:
    stack.write({"db": checked(3), "api": running(**needs(db=condition))}).begin()

    assert stack.opened(stack.open("api")).status == Status.OK


def test_a_window_with_a_dependency_that_fails_is_partial(stack: Stack) -> None:
    stack.write({"db": exits(1), "api": running(**needs(db="started"))}).begin()

    window = stack.opened(stack.open("api"))

    assert window.status == Status.PARTIAL
    assert stack.lease(window.id, "db").detail.startswith("exited with code 1")


# Slow neighbours.


def test_a_polite_close_does_not_wait_for_stubborn_ones(stack: Stack) -> None:
    stubborn = [f"stubborn-{number}" for number in range(6)]
    slow = {name: python(STUBBORN, stop_grace_period="20s") for name in stubborn}
    stack.write({**slow, "polite": running(), "due": running()}).begin()
    stack.context.closing = CallQueue("closing", Limits(2, 64))
    windows = [stack.open(name) for name in stubborn]
    polite, due = stack.open("polite"), stack.open("due", ttl=12.0)
    for window in (*windows, polite, due):
        stack.opened(window)

    for window in windows:
        stack.close(window)
    stack.close(polite)

    closed = stack.closed(polite, within=12)
    assert closed.closed_at
    assert closed.closing_at
    assert (closed.closed_at - closed.closing_at) < timedelta(seconds=10)
    ended = stack.closed(due, within=20)
    assert ended.closed_at
    assert ended.closed_at - ended.deadline < timedelta(seconds=10)
    assert {stack.window(window).state for window in windows} == {State.CLOSING}
    docker("kill", *[one for name in stubborn for one in stack.ids(name)])


def test_slow_starts_do_not_delay_another_opening(stack: Stack) -> None:
    slow = {f"slow-{number}": running(post_start=SLOW_START) for number in range(4)}
    stack.write({**slow, "forge": running()}).begin()
    stack.context.opening = CallQueue("opening", Limits(2, 64))
    for name in slow:
        stack.open(name)

    window = stack.opened(stack.open("forge"), within=15)

    assert took(stack, window.id) < 12
    assert all(call.status == CallStatus.RUNNING for call in stack.calls() if call.service != "forge")


def _live_output(stack: Stack) -> str:
    CallOutputWriter(stack.context).write()
    return stack.calls("slow")[0].stderr


def test_a_close_ends_a_start_that_is_under_way(stack: Stack) -> None:
    stack.write({"slow": running(post_start=SLOW_START)}).begin()
    window = stack.open("slow")
    until(lambda: stack.ids("slow"), "its container runs", 20, stack)
    until(lambda: _live_output(stack), "what Compose has printed can be read", 10, stack)

    stack.close(window)
    began = time.monotonic()
    stack.closed(window, within=12)

    assert time.monotonic() - began < 10
    assert [(call.action, call.status) for call in stack.calls()] == [
        (Action.UP, CallStatus.CANCELLED),
        (Action.STOP, CallStatus.OK),
    ]
    assert stack.alive() == set()


def test_a_deadline_ends_a_start_that_is_under_way(stack: Stack) -> None:
    stack.write({"slow": running(post_start=SLOW_START)}).begin()

    window = stack.closed(stack.open("slow", ttl=4.0), within=20)

    assert window.closed_at
    assert window.closed_at - window.deadline < timedelta(seconds=8)
    assert stack.alive() == set()


def test_a_close_does_not_end_a_start_that_another_window_waits_for(stack: Stack) -> None:
    wait = [{"command": ["python3", "-c", "import time; time.sleep(4)"]}]
    stack.write({"slow": running(post_start=wait)}).begin()
    first, second = stack.open("slow"), stack.open("slow")
    until(lambda: stack.ids("slow"), "its container runs", 20, stack)

    stack.close(first)

    assert stack.opened(second).status == Status.OK
    until(lambda: stack.calls()[0].status != CallStatus.RUNNING, "its call ends", 20, stack)
    assert [(call.action, call.status) for call in stack.calls()] == [(Action.UP, CallStatus.OK)]


def stopping(stack: Stack) -> str:
    """A window that closes, with a stop under way that takes the grace of 40 s."""
    stack.write({"forge": python(STUBBORN, stop_grace_period="40s")}).begin()
    window = stack.opened(stack.open("forge")).id
    stack.close(window)
    until(lambda: stack.calls()[-1].action == Action.STOP, "its stop is under way", 10, stack)
    return window


def test_force_cuts_a_running_stop_short(stack: Stack) -> None:
    window = stopping(stack)

    with stack.database.write() as session:
        closing.close(session, window, actor="bob", now=stack.database.now(), force=True)
    stack.watch.close_soon(StackId("studio"))

    began = time.monotonic()
    assert stack.closed(window, within=15).forced
    assert time.monotonic() - began < 10
    assert stack.alive() == set()
    assert [(call.action, call.status) for call in stack.calls()][1:] == [
        (Action.STOP, CallStatus.CANCELLED),
        (Action.KILL, CallStatus.OK),
    ]


def test_force_whose_message_is_lost_cuts_a_stop_short_too(stack: Stack) -> None:
    window = stopping(stack)

    with stack.database.write() as session:
        closing.close(session, window, actor="bob", now=stack.database.now(), force=True)

    stack.closed(window, within=15)
    assert stack.alive() == set()


def test_a_volume_that_cannot_be_made_delays_no_other_service(stack: Stack) -> None:
    definitions = {"api": running(volumes=["bad:/bad"]), "plain": running()}
    stack.write(definitions).define(definitions, volumes={"bad": {"driver": "nosuchdriver"}})
    stack.begin()
    both = stack.open("api"), stack.open("plain")

    assert stack.opened(both[1], within=12).status == Status.OK

    failed = stack.settled(both[0], State.CLOSING, State.CLOSED, within=60)
    assert failed.status == Status.FAIL
    assert "nosuchdriver" in stack.lease(both[0], "api").detail


def test_eight_that_share_a_new_volume_start_at_once(stack: Stack) -> None:
    definitions = {f"service-{number}": running(volumes=["data:/data"]) for number in range(8)}
    stack.write(definitions).define(definitions, volumes={"data": {}})
    stack.begin()

    assert stack.opened(stack.open(*definitions)).status == Status.OK
    assert {call.status for call in stack.calls()} == {CallStatus.OK}
