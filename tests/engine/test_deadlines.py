"""Nothing stays on: expiry without broker or beat, dead workers, broken files and human hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.enums import Action, CallStatus, Event, Power, State
from tests.engine.stacks import Stack, checked, python, running, until
from workers.state.inspection_queue import Trigger

REPOSITORY = Path(__file__).parents[2]


def test_the_watch_alone_closes_a_window_on_time(stack: Stack) -> None:
    """No broker, no beat, and no nudge: the row is the queue."""
    stack.write({"forge": running()}).begin()
    window = stack.ask("forge", ttl=6)

    opened = stack.opened(window)
    closed = stack.closed(window)

    assert opened.opened_at
    assert closed.closing_at
    assert timedelta(0) <= closed.closing_at - closed.deadline < timedelta(seconds=4)
    assert stack.alive() == set()


@pytest.mark.every_engine
def test_a_close_whose_nudge_is_lost_is_seen_to(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)

    stack.close_without_nudge(window)

    stack.closed(window)
    assert stack.alive() == set()


def test_what_a_person_started_is_drift_reported_once(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()

    stack.by_hand("up", "-d", "forge")

    until(lambda: stack.entries(Event.DRIFT_FOUND), "the drift is found", 20, stack)
    stack.watch.mark_all(Trigger.RESYNC)
    seen = stack.row("forge")
    until(
        lambda: (row := stack.row("forge")) and seen and row.observed_at != seen.observed_at, "a second look"
    )
    assert [one.service for one in stack.entries(Event.DRIFT_FOUND)] == ["forge"]
    assert stack.alive() == {"forge"}


def test_a_broken_compose_file_keeps_nothing_on(stack: Stack) -> None:
    """Stopping goes by the labels alone, and by the stack as it was last known."""
    stack.write({"forge": running()}).begin()
    window = stack.open("forge")
    stack.opened(window)
    stack.end()
    stack.file.write_text("services: [this is: no longer {yaml")

    stack.begin()
    assert stack.entries(Event.STACK_REJECTED)
    stack.close(window)

    stack.closed(window)
    assert stack.alive() == set()


def test_what_expired_while_no_worker_ran_is_turned_off(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    window = stack.open("forge", ttl=8)
    stack.opened(window)
    stack.end()
    until(lambda: stack.window(window).deadline < stack.database.now(), "its time is up")

    stack.begin()

    stack.closed(window)
    assert stack.alive() == set()


WORKER = """
    import sys, threading
    from workers import runtime

    runtime.begin()
    print("begun", flush=True)
    threading.Event().wait()
"""


def _worker(stack: Stack) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WORKER)]
    environ = {**os.environ, **stack.environ, "PYTHONPATH": str(REPOSITORY)}
    worker = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    assert worker.stdout.readline() == "begun\n"
    return worker


def _calling(stack: Stack, action: Action) -> bool:
    return any(call.action == action and call.status == CallStatus.RUNNING for call in stack.calls())


def test_a_worker_killed_in_the_middle_of_a_stop(stack: Stack) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    stack.write({"forge": python(stubborn, stop_grace_period="4s")})
    with _worker(stack) as worker:
        window = stack.ask("forge")
        stack.opened(window)
        stack.close_without_nudge(window)
        until(lambda: _calling(stack, Action.STOP), "it is being stopped", 20, stack)
        worker.kill()

    stack.begin()

    stack.closed(window)
    (lost,) = stack.entries(Event.CALL_LOST)
    assert json.loads(lost.facts)["action"] == "stop"
    assert stack.alive() == set()


def test_a_worker_killed_in_the_middle_of_a_start(stack: Stack) -> None:
    stack.write({"forge": running()})
    with _worker(stack) as worker:
        window = stack.ask("forge")
        until(lambda: _calling(stack, Action.UP), "it is being started", 20, stack)
        worker.kill()

    stack.begin()

    stack.opened(window)
    assert len(stack.entries(Event.CALL_LOST)) == 1
    assert stack.lease(window, "forge").power == Power.ON
    stack.close(window)
    stack.closed(window)
    assert stack.alive() == set()


def test_forty_windows_that_wait_delay_no_close(stack: Stack) -> None:
    """No task waits for readiness, and closing has room of its own."""
    stack.write({"slow": checked(None), "forge": running()}, tuned={"slow": {"ready_timeout": "5m"}}).begin()
    mine = stack.open("forge")
    stack.opened(mine)
    waiting = [stack.open("slow") for _ in range(40)]
    until(lambda: "slow" in stack.alive(), "the slow one runs", 30, stack)
    brief = stack.ask("forge", ttl=0.5)

    stack.close(mine)

    closed = stack.closed(mine, within=10)
    assert closed.closing_at
    assert closed.closed_at
    stack.closed(brief, within=15)
    assert {stack.window(window).state for window in waiting} == {State.OPENING}
    assert len(stack.calls("slow")) == 1
