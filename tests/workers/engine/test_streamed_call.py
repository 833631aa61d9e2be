"""A streamed command: its output comes while it goes on, and nothing of it is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.calls import CallOutcome
from app.domain.enums import Action, CallStatus
from app.host import processes
from workers.engine import streamed_call
from workers.engine.compose import Cancellation, Command
from workers.engine.streamed_call import StreamTerms

pytestmark = pytest.mark.integration


def stream(
    script: str,
    *,
    timeout: float = 20.0,
    print_text: Callable[[str], None] = lambda _text: None,
    cancellation: Cancellation | None = None,
) -> tuple[CallOutcome, list[int]]:
    """How a shell script ended, and its process id."""
    pids: list[int] = []
    with Path("/dev/null").open() as lock:
        terms = StreamTerms(timeout, lock.fileno(), pids.append, print_text, cancellation or Cancellation())
        return streamed_call.stream(Command(Action.BUILD, ("sh", "-c", script), Path("/")), terms), pids


def has_ended(group: int) -> bool:
    """Has every process of the group ended, at the latest in two seconds?"""
    end = time.monotonic() + 2
    while any(one.group == group for one in processes.every()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_both_streams_are_read_as_they_come() -> None:
    pieces: list[tuple[float, str]] = []
    began = time.monotonic()

    outcome, _ = stream(
        "echo one; sleep 0.6; echo zwölf >&2; exit 3",
        print_text=lambda text: pieces.append((time.monotonic() - began, text)),
    )

    assert (outcome.status, outcome.returncode) == (CallStatus.FAIL, 3)
    spoken = [(at, text) for at, text in pieces if text]
    assert "".join(text for _at, text in spoken) == "one\nzwölf\n"
    assert spoken[0][0] < 0.5 < spoken[-1][0]
    assert "" in [text for _at, text in pieces]


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
def test_a_command_that_is_ended_early_leaves_no_child(how: str) -> None:
    cancellation = Cancellation()
    if how == "cancelled":
        threading.Timer(0.5, cancellation.cancel, ["cancelled by ada"]).start()

    outcome, pids = stream(
        "sleep 60 & sleep 60", timeout=0.5 if how == "timeout" else 20, cancellation=cancellation
    )

    assert outcome.status == (CallStatus.TIMEOUT if how == "timeout" else CallStatus.CANCELLED)
    assert outcome.stderr == ("" if how == "timeout" else "cut short: cancelled by ada")
    assert has_ended(pids[0])


def test_a_process_that_outlives_its_command_is_ended_and_not_waited_for() -> None:
    began = time.monotonic()
    outcome, pids = stream("sleep 60 & echo done")
    assert outcome.status == CallStatus.OK
    assert time.monotonic() - began < 10
    assert has_ended(pids[0])


def test_a_program_that_is_missing_is_an_outcome() -> None:
    terms = StreamTerms(5, 0, lambda _pid: None, lambda _text: None, Cancellation())
    outcome = streamed_call.stream(Command(Action.BUILD, ("/no/such/program",), Path("/nowhere")), terms)
    assert outcome.status == CallStatus.FAIL
    assert "/no" in outcome.stderr
