"""A worker that is killed while the database is away goes on where it was."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.enums import CallStatus, Event
from app.store import audit
from tests.engine.cut_off_stacks import LONG, REPOSITORY, far, is_off, line, server, written
from tests.engine.stacks import Stack, python, running, until
from tests.outages import Line, Server

__all__ = ["far", "line", "server"]

WORKER = """
    import sys, threading
    from workers import runtime

    runtime.begin()
    print("begun", flush=True)
    threading.Event().wait()
"""


@contextmanager
def worker(stack: Stack) -> Iterator[subprocess.Popen[str]]:
    """A process with the worker's watch and nothing else, killed at the end."""
    command = [sys.executable, "-c", textwrap.dedent(WORKER)]
    environ = {**os.environ, **stack.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        try:
            assert started.stdout.readline() == "begun\n"
            yield started
        finally:
            started.kill()


def test_a_worker_killed_in_a_blind_stop_and_begun_again_without_the_database_goes_on(
    server: Server, line: Line, far: Stack
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    far.write({"forge": python(stubborn, stop_grace_period="4s"), "mill": running()}, blind_grace="1s")
    journals = far.directory / "data" / "blind"
    with worker(far) as first:
        window = far.ask("forge", "mill", ttl=10)
        far.opened(window)
        server.kill()
        until(lambda: written(far, "began") == 2, "both are being stopped", LONG)
        first.kill()
    with worker(far):
        until(lambda: is_off(far), "it is off", LONG)
        server.start()

        far.closed(window, within=LONG)
        until(lambda: far.entries(Event.NODE_BLIND), "the outage is on record", LONG, far)
        until(lambda: not list(journals.rglob("*.journal")), "the journals are taken in", LONG, far)

    calls = [call for call in far.calls("forge") if call.blind]
    assert calls[0].status == CallStatus.LOST
    assert {call.status for call in calls[1:]} <= {CallStatus.OK}
    with far.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
    assert len(far.entries(Event.NODE_BLIND)) == 1


def test_a_worker_that_is_killed_every_few_seconds_goes_on_counting(
    server: Server, line: Line, far: Stack
) -> None:
    """No life is as long as the grace, which counts from the last word of the database."""
    far.write({"forge": running()}, blind_grace="20s")
    with worker(far):
        window = far.ask("forge", ttl=15)
        far.opened(window)
        server.kill()
        left_at = time.monotonic()
    try:
        while not is_off(far):
            assert time.monotonic() - left_at < LONG + 30, "it is on for ever"
            with worker(far):
                # Less than the grace after the last word, whatever this machine takes to start a worker.
                ends = time.monotonic() + 10
                while time.monotonic() < ends and not is_off(far):
                    time.sleep(0.1)
        assert time.monotonic() - left_at > 20 - 3
    finally:
        server.start()
    with worker(far):
        far.closed(window, within=LONG)
