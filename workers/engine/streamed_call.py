"""Runs one compose command whose output is read while it goes on, such as the build of an image."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.calls import CallOutcome
from app.domain.enums import CallStatus
from workers.engine import child_processes
from workers.engine.child_output import READ_SIZE
from workers.engine.compose import Cancellation, Command, elapsed_ms, spawn, spawn_failure

READ_WAIT = 0.2
"""Seconds between two looks at the clock while a command prints nothing."""


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """How a streamed command runs: its timeout in seconds, what it keeps open, and who learns of it."""

    timeout: float
    lock: int
    started: Callable[[int], None]
    """Called with the child's process id before anything is read."""
    print_text: Callable[[str], None]
    """Called with each piece of output, and with an empty one from time to time."""
    cancellation: Cancellation


def stream(command: Command, terms: StreamTerms) -> CallOutcome:
    """Run a command to its end, and leave nothing of its family behind. Both streams are read as one.

    The outcome has no output: `print_text` has had it.
    """
    began = time.monotonic()
    try:
        child = spawn(command, terms.lock, subprocess.STDOUT)
    except Exception as error:  # noqa: BLE001 - whatever keeps a call from being made is its outcome
        return spawn_failure(command, began, error)
    try:
        terms.started(child.pid)
        terms.cancellation.watch(child)
        in_time = _read(child, terms, began + terms.timeout)
        status, code = _status(child, in_time=in_time)
    except Exception as error:  # noqa: BLE001 - the call is recorded as begun, and needs a recorded end
        return CallOutcome(
            CallStatus.FAIL, None, elapsed_ms(began), stderr=f"{type(error).__name__}: {error}"
        )
    finally:
        child_processes.discard(child)
    outcome = CallOutcome(status, code, elapsed_ms(began))
    if terms.cancellation.reason and status is not CallStatus.OK:
        reason = f"cut short: {terms.cancellation.reason}"
        return replace(outcome, status=CallStatus.CANCELLED, returncode=None, stderr=reason)
    return outcome


def _read(child: subprocess.Popen[str], terms: StreamTerms, until: float) -> bool:
    """Read until the command has ended; False where its time is up before that."""
    assert child.stdout
    output, decoder = child.stdout.fileno(), codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() < until:
        ready, _, _ = select.select([output], [], [], READ_WAIT)
        if ready:
            data = os.read(output, READ_SIZE)
            if not data:
                return True
            terms.print_text(decoder.decode(data))
        elif child.poll() is not None:
            # A process that outlives the command may keep its output open.
            return True
        else:
            terms.print_text("")
    return False


def _status(child: subprocess.Popen[str], *, in_time: bool) -> tuple[CallStatus, int | None]:
    if not in_time:
        return CallStatus.TIMEOUT, None
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=5)
    return (CallStatus.OK if child.returncode == 0 else CallStatus.FAIL), child.returncode
