"""Ready or not, by what real containers do: nothing that only looks like running passes."""

from __future__ import annotations

import json

import pytest

from app.domain.enums import Action, Event, Power, State, Status
from app.domain.stack_id import StackId
from tests.engine.stacks import Stack, checked, exits, python, running, until
from workers.state.inspection_queue import Trigger


@pytest.mark.every_engine
def test_a_crash_loop_without_a_healthcheck_is_failing_and_says_why(stack: Stack) -> None:
    """`up --wait` calls such a container healthy."""
    loop = exits(1, saying="ModuleNotFoundError: No module named 'switch'", restart="always")
    stack.write({"forge": loop}).begin()

    window = stack.closed(stack.open("forge"), within=60)

    assert window.status == Status.FAIL
    (failing,) = [json.loads(one.facts) for one in stack.entries(Event.SERVICE_FAILING)]
    assert "keeps restarting" in failing["detail"]
    assert "exit code 1" in failing["detail"]
    assert "No module named 'switch'" in failing["detail"]
    assert stack.alive() == set()


def test_what_exits_is_failing_with_its_code_and_last_words(stack: Stack) -> None:
    stack.write({"forge": exits(7, saying="out of coal"), "mill": running()}).begin()

    window = stack.opened(stack.open("forge", "mill"))

    assert window.status == Status.PARTIAL
    assert stack.lease(window.id, "forge").detail == "exited with code 7\nout of coal"


def test_what_an_earlier_run_wrote_is_not_what_this_one_failed_of(stack: Stack) -> None:
    counts = "n = len(os.listdir('/data')); open(f'/data/{n}', 'w').close()"
    forge = python(f"{counts}; print('run', n, flush=True); sys.exit(3)", volumes=["kept:/data"])
    stack.write({"forge": forge}).define({"forge": forge}, volumes={"kept": {}})
    stack.begin()
    stack.closed(stack.open("forge"))

    second = stack.closed(stack.open("forge"))

    assert "run 1" in (second.close_detail or "")
    assert "run 0" not in (second.close_detail or "")


@pytest.mark.every_engine
def test_a_service_that_dies_later_makes_its_window_partial(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)

    stack.by_hand("kill", "forge")

    until(lambda: stack.window(window).status == Status.PARTIAL, "it is partial", 20, stack)
    assert stack.window(window).state == State.OPEN
    assert stack.lease(window, "forge").power == Power.FAILING


@pytest.mark.every_engine
def test_unhealthy_is_failing_though_it_runs(stack: Stack) -> None:
    sick = {"test": ["CMD", "python3", "-I", "-S", "-c", "raise SystemExit(1)"]}
    often = {"interval": "200ms", "timeout": "2s", "retries": 1}
    stack.write({"forge": running(healthcheck=sick | often)}).begin()

    window = stack.closed(stack.open("forge"))

    assert window.status == Status.FAIL
    assert "unhealthy" in (window.close_detail or "")


def test_one_that_never_gets_healthy_is_failing_after_its_time(stack: Stack) -> None:
    stack.write({"forge": checked(None)}, tuned={"forge": {"ready_timeout": "2s"}}).begin()

    window = stack.closed(stack.open("forge"))

    assert window.status == Status.FAIL
    assert "waited in vain for its healthcheck for 2 s" in (window.close_detail or "")


def test_events_are_only_a_hint(stack: Stack) -> None:
    """Without one event, the poll sees a slow service get ready and a dead one die."""
    stack.write({"forge": checked(1.5), "mill": running()}).begin(events=False)
    window = stack.open("forge", "mill")

    assert stack.opened(window).status == Status.OK

    stack.by_hand("kill", "mill")
    stack.watch.mark_all(Trigger.RESYNC)  # What the resync does.
    until(lambda: stack.window(window).status == Status.PARTIAL, "it is partial", 20, stack)


def test_a_stop_waits_for_the_grace_that_a_service_asks_for(stack: Stack) -> None:
    """A limit shorter than the grace would call a stop failed that is only slow."""
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    stack.write({"forge": python(stubborn, stop_grace_period="3s")}).begin()
    assert stack.context.stacks[StackId("studio")].spec.services["forge"].stop_timeout == 13.0
    window = stack.open("forge")
    stack.opened(window)

    stack.close(window)
    stack.closed(window)

    (stop,) = [call for call in stack.calls() if call.action == Action.STOP]
    assert (stop.status, stop.returncode) == ("ok", 0)
    assert (stop.elapsed_ms or 0) >= 2500
