"""Why the services of a run's window are not ready, in one sentence and in the record of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from app.domain.enums import Power
from app.store.tables import Window
from workers.conductor.run_record import RunRecord
from workers.reconcile.inspect import OUTPUT_DELAY

_PAUSE = 0.2


def await_output(read_window: Callable[[], Window]) -> Window:
    """The window, with the last lines of its failing services where they come within `OUTPUT_DELAY`."""
    end = time.monotonic() + OUTPUT_DELAY.total_seconds()
    while True:
        window = read_window()
        failing = [lease for lease in window.leases if lease.power == Power.FAILING]
        if all("\n" in lease.detail for lease in failing) or time.monotonic() >= end:
            return window
        time.sleep(_PAUSE)


def describe_unready(window: Window, record: RunRecord, now: datetime) -> str:
    """The sentence, after each service that is not ready was noted as a failure."""
    bad = [lease for lease in window.leases if lease.power not in {Power.ON, Power.DONE}]
    if window.close_detail and all(lease.power != Power.FAILING for lease in bad):
        # The services are off again, so the window alone still says why.
        why = _in_one_line(window.close_detail).removeprefix("nothing came up: ")
        why = why.removeprefix("did not come up: ")
        record.note_failure(f"service {bad[0].service}" if bad else "window", why, now)
        return f"not ready: {why}"
    for lease in sorted(bad, key=lambda one: one.power != Power.FAILING):
        record.note_failure(f"service {lease.service}", lease.detail or str(lease.power), now)
    why = "; ".join(f"{lease.service}: {_in_one_line(lease.detail) or lease.power}" for lease in bad)
    return f"not ready: {why or window.close_detail}"


def _in_one_line(detail: str) -> str:
    """Return the first and the last line of a detail: the state, and mostly the reason."""
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else ""
