"""A stop that really fails: tried again ever later, shown, on record, forced by a person, never forgotten."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.enums import Action, CallStatus, Event, State
from app.domain.stack_id import StackId
from app.usecases.reconciliation import calls
from app.usecases.windows import close as closing
from tests.databases import Databases
from tests.engine.guarded import Door, door
from tests.engine.stacks import Stack, python, running, standing, until
from workers.reconcile import converge
from workers.stacks.service_durations import STOP_MARGIN


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with (
        tempfile.TemporaryDirectory(prefix="pw-door-") as directory,
        door(Path(directory)) as guard_at_socket,
    ):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/door.sock")
        yield guard_at_socket


@pytest.fixture
def guarded(guard: Door, tmp_path: Path, databases: Databases) -> Iterator[Stack]:
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
        guard.guarded.clear()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses themselves are tested where the clock is a variable."""
    monkeypatch.setattr(calls, "RETRY_FIRST", timedelta(seconds=0.5))
    monkeypatch.setattr(calls, "RETRY_CAP", timedelta(seconds=1))


def actions(stack: Stack, service: str) -> list[tuple[str, str]]:
    return [(str(call.action), str(call.status)) for call in stack.calls(service)]


def test_from_the_first_failed_stop_to_the_last_that_works(guarded: Stack, guard: Door) -> None:
    guarded.write({"forge": running(), "mill": running()}).begin()
    window = guarded.open("forge", "mill")
    guarded.opened(window)
    guard.guarded.update(guarded.ids("forge"))

    guarded.close(window)

    until(lambda: guarded.window(window).stuck, "the window is stuck", 60, guarded)
    assert guarded.alive() == {"forge"}
    assert guarded.window(window).state == State.CLOSING
    assert actions(guarded, "forge")[:4] == [
        ("up", "ok"),
        ("stop", "fail"),
        ("kill", "fail"),
        ("kill", "fail"),
    ]
    (stuck,) = guarded.entries(Event.WINDOW_STUCK)
    facts = json.loads(stuck.facts)
    assert facts["failed_stops"] == {"forge": 3}
    assert "did not receive an exit event" in facts["last_errors"]["forge"]
    row = guarded.row("forge")
    assert row
    assert row.retry_at

    tries = guard.refused
    until(lambda: guard.refused >= tries + 3, "it is tried further", 60, guarded)
    assert len(guarded.entries(Event.WINDOW_STUCK)) == 1

    guard.guarded.clear()
    closed = guarded.closed(window, within=60)
    assert not closed.stuck
    assert guarded.alive() == set()


def test_a_person_forces_it_and_the_off_is_still_owed(guarded: Stack, guard: Door) -> None:
    guarded.write({"forge": running()}).begin()
    window = guarded.open("forge")
    guarded.opened(window)
    guard.guarded.update(guarded.ids("forge"))
    guarded.close(window)
    until(lambda: guarded.window(window).stuck, "the window is stuck", 60, guarded)

    with guarded.database.write() as session:
        closing.close(session, window, actor="grace", now=guarded.database.now(), force=True)
    guarded.watch.close_soon(StackId("studio"))

    closed = guarded.closed(window, within=60)
    assert closed.close_detail == "forced by grace; not confirmed off: forge"
    assert not closed.stuck
    assert guarded.entries(Event.WINDOW_CLOSING)[-1].actor == "grace"
    entries = until(lambda: guarded.entries(Event.DRIFT_FOUND), "it drifts", 20, guarded)
    assert json.loads(entries[0].facts)["why"] == "runs, though no window holds it, and would not stop"
    tries = guard.refused
    until(lambda: guard.refused >= tries + 3, "it is tried further", 60, guarded)

    guard.guarded.clear()
    until(lambda: guarded.entries(Event.DRIFT_STOPPED), "it stops at last", 60, guarded)
    assert guarded.alive() == set()
    assert len(guarded.entries(Event.DRIFT_FOUND)) == 1
    row = guarded.row("forge")
    assert row
    assert (row.stop_pending, row.failures, row.retry_at) == (False, 0, None)


def test_a_stop_that_takes_too_long_has_failed_and_is_followed_by_a_kill(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    monkeypatch.setattr(converge, "timeout_of", lambda *_: 5.0)
    stack.write({"forge": python(stubborn, stop_grace_period="60s")}).begin()
    window = stack.open("forge")
    stack.opened(window)

    stack.close(window)

    stack.closed(window, within=60)
    ends = [call for call in stack.calls("forge") if call.action != Action.UP]
    assert [(call.action, call.status) for call in ends[:2]] == [
        (Action.STOP, CallStatus.TIMEOUT),
        (Action.KILL, CallStatus.OK),
    ]
    assert stack.alive() == set()


def test_a_container_is_given_the_grace_it_was_made_with(stack: Stack) -> None:
    """Its file may say less by now; a stop that is cut off before its grace would be a wrong verdict."""
    stack.write({"forge": running(stop_grace_period="40s")}).begin()
    stack.opened(stack.open("forge"))
    stack.end()
    stack.define({"forge": running(stop_grace_period="1s")})
    stack.begin()
    spec = stack.context.stacks[StackId("studio")].spec.services["forge"]
    containers = stack.engine.containers(stack.project, ["forge"])
    assert spec.stop_timeout == 1 + STOP_MARGIN
    assert converge.timeout_of(spec, Action.STOP, containers) == 40 + STOP_MARGIN
    assert converge.timeout_of(spec, Action.UP, containers) == spec.up_timeout
