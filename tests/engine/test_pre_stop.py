"""`pre_stop` hooks: run before a stop, for a bounded time, and never in the way of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.domain.enums import Action, CallStatus, Event, Power, State, Status
from app.domain.stack_id import StackId
from app.store.tables import Call
from app.usecases.windows import close as closing
from tests.engine.cut_off_stacks import LONG, far, line, server, written
from tests.engine.stacks import Definition, Stack, docker, exits, python, running, until
from tests.outages import Line

__all__ = ["far", "line", "server"]

WRITES = "open('/tmp/bye', 'w').close()"
HANGS = f"{WRITES}; import time; time.sleep(600)"
FAILS = "import sys; print('could not drain'); sys.exit(3)"


def hooked(code: str = WRITES, made: Callable[..., Definition] = running, **more: Any) -> Definition:
    """A service whose pre_stop hook runs a line of Python."""
    return made(pre_stop=[{"command": ["python3", "-I", "-S", "-c", code]}], **more)


def ran_in(stack: Stack, service: str) -> list[bool]:
    """Of each container of a service: has its hook written its file?"""
    labels = {"project": stack.project, "service": service}
    filters = [
        word
        for key, value in labels.items()
        for word in ("--filter", f"label=com.docker.compose.{key}={value}")
    ]
    containers = docker("ps", "-aq", *filters).split()
    copies = (["docker", "cp", f"{one}:/tmp/bye", "-"] for one in containers)
    return [subprocess.run(copy, capture_output=True, check=False).returncode == 0 for copy in copies]


def ends(stack: Stack) -> list[tuple[Action, CallStatus]]:
    return [(call.action, call.status) for call in stack.calls() if call.action != Action.UP]


def of_hooks(stack: Stack) -> Call:
    return next(call for call in stack.calls() if call.action == Action.PRE_STOP)


def force(stack: Stack, window: str) -> None:
    with stack.database.write() as session:
        closing.close(session, window, actor="ada", now=stack.database.now(), force=True)
    stack.watch.close_soon(StackId("studio"))


WELL = [(Action.PRE_STOP, CallStatus.OK), (Action.STOP, CallStatus.OK)]


@pytest.mark.parametrize("containers", [1, 3])
def test_a_hook_runs_in_every_container_before_a_close_by_hand(stack: Stack, containers: int) -> None:
    stack.write({"web": hooked(scale=containers), "mill": running()}).begin()
    window = stack.opened(stack.open("web", "mill"), within=60)

    stack.close(window.id)
    stack.closed(window.id)

    assert ran_in(stack, "web") == [True] * containers
    assert [(call.action, call.status) for call in stack.calls("web")[1:]] == WELL
    assert [call.action for call in stack.calls("mill")] == [Action.UP, Action.STOP]
    assert stack.alive() == set()


def test_a_hook_runs_at_a_deadline_and_again_for_the_next_window(stack: Stack) -> None:
    stack.write({"web": hooked()}).begin()
    for _ in range(2):
        stack.closed(stack.open("web", ttl=4.0), within=30)

    assert ends(stack) == WELL * 2
    assert ran_in(stack, "web") == [True]


def test_a_hook_of_a_service_behind_a_profile_runs(stack: Stack) -> None:
    stack.write({"web": hooked(profiles=["extra"])}).begin()
    window = stack.opened(stack.open("web"))

    stack.close(window.id)
    stack.closed(window.id)

    assert ends(stack) == WELL


def test_a_hook_that_fails_is_on_record_and_the_stop_follows(stack: Stack) -> None:
    stack.write({"web": hooked(FAILS)}).begin()
    window = stack.opened(stack.open("web"))

    stack.close(window.id)
    closed = stack.closed(window.id)

    assert ends(stack) == [(Action.PRE_STOP, CallStatus.FAIL), (Action.STOP, CallStatus.OK)]
    assert "hook exited with status 3" in of_hooks(stack).stderr
    assert "could not drain" in of_hooks(stack).stderr
    assert of_hooks(stack).stderr.endswith("a plain stop follows")
    assert closed.status == Status.OK
    assert not stack.entries(Event.WINDOW_STUCK)
    row = stack.row("web")
    assert row
    assert (row.power, row.stop_pending, row.failures) == (Power.OFF, False, 0)


def test_a_hook_that_hangs_is_cut_off_and_the_stop_follows(stack: Stack) -> None:
    stack.write({"web": hooked(HANGS)}, tuned={"web": {"stop_timeout": "4s"}}).begin()
    window = stack.opened(stack.open("web"))

    stack.close(window.id)
    closed = stack.closed(window.id, within=30)

    assert ends(stack) == [(Action.PRE_STOP, CallStatus.TIMEOUT), (Action.STOP, CallStatus.OK)]
    assert "took over 12 s" in of_hooks(stack).stderr
    assert closed.closed_at
    assert closed.closing_at
    assert closed.closed_at - closed.closing_at < timedelta(seconds=20)


def test_a_forced_close_runs_no_hook(stack: Stack) -> None:
    stack.write({"web": hooked()}).begin()
    window = stack.opened(stack.open("web"))

    force(stack, window.id)
    stack.closed(window.id)

    assert ends(stack) == [(Action.KILL, CallStatus.OK)]
    assert ran_in(stack, "web") == [False]


def test_force_cuts_a_running_hook_short(stack: Stack) -> None:
    stack.write({"web": hooked(HANGS)}, tuned={"web": {"stop_timeout": "60s"}}).begin()
    window = stack.opened(stack.open("web"))
    stack.close(window.id)
    until(lambda: ran_in(stack, "web") == [True], "its hook runs", 10, stack)
    until(lambda: (row := stack.row("web")) and row.power == Power.STOPPING, "it is stopping", 10, stack)

    began = time.monotonic()
    force(stack, window.id)
    stack.closed(window.id, within=15)

    assert time.monotonic() - began < 10
    assert ends(stack) == [(Action.PRE_STOP, CallStatus.CANCELLED), (Action.KILL, CallStatus.OK)]
    assert stack.alive() == set()


def test_what_is_wanted_again_during_its_hook_is_not_stopped_twice(stack: Stack) -> None:
    stack.write({"web": hooked(f"{WRITES}; import time; time.sleep(3)")}).begin()
    first = stack.opened(stack.open("web"))
    stack.close(first.id)
    until(lambda: ran_in(stack, "web") == [True], "its hook runs", 10, stack)

    second = stack.opened(stack.open("web"), within=40)

    assert second.status == Status.OK
    assert ends(stack) == [(Action.PRE_STOP, CallStatus.OK)]
    assert stack.alive() == {"web"}


@pytest.mark.parametrize("definition", [exits(0), exits(1)])
def test_a_container_that_does_not_run_has_no_hook_to_run(stack: Stack, definition: Definition) -> None:
    stack.write(
        {"web": {**definition, **hooked(), "entrypoint": definition["entrypoint"]}, "mill": running()}
    ).begin()
    window = stack.open("web", "mill")
    stack.settled(window, State.OPEN, State.CLOSED, within=40)

    stack.close(window)
    stack.closed(window)

    assert Action.PRE_STOP not in [call.action for call in stack.calls("web")]


def test_without_its_file_the_hook_is_not_run_and_the_stop_is(stack: Stack) -> None:
    stack.write({"web": hooked()}).begin()
    window = stack.opened(stack.open("web"))
    for path in (stack.lock_dir / "kept").glob("*.json"):
        path.unlink()

    stack.close(window.id)
    stack.closed(window.id)

    assert ends(stack) == [(Action.PRE_STOP, CallStatus.FAIL), (Action.STOP, CallStatus.OK)]
    assert "no such file" in of_hooks(stack).stderr
    assert stack.alive() == set()


def test_a_stack_that_was_taken_out_of_power_toml_is_stopped_without_hooks(stack: Stack) -> None:
    stack.write({"web": hooked()}).begin()
    window = stack.opened(stack.open("web"))
    text = stack.config.read_text()
    stack.config.write_text(text.replace("[stacks.studio]", "[stacks.other]").replace(stack.project, "other"))
    until(lambda: stack.context.stacks[StackId("studio")].place is None, "it is taken out", 20, stack)

    stack.close(window.id)
    until(lambda: stack.alive() == set(), "it is off", 20, stack)

    assert of_hooks(stack).status == CallStatus.FAIL
    assert "the worker has no compose files of this stack" in of_hooks(stack).stderr


def test_a_hook_runs_while_the_database_is_away(line: Line, far: Stack) -> None:
    far.write(
        {"web": python("signal.pause()", **{"pre_stop": hooked()["pre_stop"]})}, blind_grace="1s"
    ).begin()
    window = far.open("web", ttl=6)
    far.opened(window)
    line.cut()
    try:
        until(lambda: far.alive() == set(), "all is off", LONG)
        until(lambda: written(far, "ended") == 2, "both ends are written down", LONG)
    finally:
        line.mend()
    far.closed(window, within=LONG)
    until(lambda: far.context.journal.empty, "the journal is taken in", LONG, far)

    assert ends(far) == WELL
    assert all(call.blind for call in far.calls() if call.action != Action.UP)
    assert ran_in(far, "web") == [True]
