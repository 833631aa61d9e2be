"""A worker that is killed at any step of a run leaves nothing on; the next worker says that it was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.engine.runs import ask, conducting, finished, row, under_way
from tests.engine.stacks import Stack, python, until

WORKER = """
import pathlib, sys, threading
from tests.engine.stacks import Stack
from workers.conductor.conductor import Conductor
directory, url, project = sys.argv[1:]
stack = Stack(pathlib.Path(directory), url)
stack.project = project
stack.begin()
Conductor(stack.context, stack.watch.pools).begin()
print("begun", flush=True)
threading.Event().wait()
"""
WAITS = {"waits": {"log": {"service": "forge", "pattern": "never"}, "retries": 1000, "every": 0.2}}
PHASES = ["removes old containers", "opens its window", "waits for its services", "runs its steps"]
PHASES += ["closes its window"]


@contextmanager
def worker(stack: Stack) -> Iterator[subprocess.Popen[str]]:
    """A worker of the stack in a process of its own."""
    command = [sys.executable, "-c", WORKER, str(stack.directory), stack.database_url, stack.project]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def prepared(stack: Stack) -> Stack:
    """A service that takes a moment to start and to stop."""
    slow = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), os._exit(0)))\nsignal.pause()"
    stack.write({"forge": python(slow)}, tuned={"forge": {"stable_for": 2}})
    stack.repairs_expected = True
    return stack


@pytest.mark.parametrize("phase", PHASES)
def test_the_next_worker_cuts_the_run_and_closes_its_window(stack: Stack, phase: str) -> None:
    prepared(stack).begin()
    stack.by_hand("create", "forge")
    run = ask(stack, "forge", fresh=True, steps=WAITS if phase != "closes its window" else {}, ttl=120)
    stack.end()
    with worker(stack) as process:
        until(lambda: reached(stack, run, phase), f"the run {phase}", 30, stack)
        kill(process)

    stack.begin()
    with conducting(stack):
        stored = finished(stack, run)
        assert (stored.outcome, stored.detail) == ("cut", "its worker died")
        assert stored.report
        assert stored.report["notes"][0].startswith("this run was cut: its worker died")
        assert stored.report["proof"]["only_core"], stored.report["proof"]
        if stored.window_id:
            stack.closed(stored.window_id)
        assert stack.alive() == set()


def reached(stack: Stack, run: str, phase: str) -> bool:
    """Has the run come to this phase, or gone past it?"""
    order = ["waits for its worker", *PHASES, "asks the engine what runs"]
    detail = row(stack, run).detail
    return detail in order and order.index(detail) >= order.index(phase)


def test_without_a_conductor_the_deadline_stops_everything(stack: Stack) -> None:
    """Another worker has the stack, and none conducts runs: the window's ttl is the last resort."""
    prepared(stack).begin()
    run = ask(stack, "forge", steps=WAITS, ttl=8)
    stack.end()
    with worker(stack) as process:
        under_way(stack, run, "runs its steps")
        kill(process)

    stack.begin()
    window = row(stack, run).window_id
    assert window
    stack.closed(window, within=40)
    assert stack.window(window).close_reason == "expired"
    assert stack.alive() == set()
