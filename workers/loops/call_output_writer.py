"""Stores what compose calls print while they run, so that a window's page and the API show it.

All running calls are stored in one transaction, at most once a second. A call that ends within its first
second costs nothing: its output is stored with its end. No call waits for this loop.
"""

from __future__ import annotations

import time

from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from app.store import services
from workers.state.context import WorkerContext
from workers.state.running_calls import RunningCall

OUTPUT_INTERVAL = 1.0
"""Seconds between two writes, and the age of the youngest call that is stored."""
LONGEST_OUTPUT_PAUSE = 30.0
"""Seconds between two writes on a slow database, at most."""
_SHARE = 10
"""The pause is so many times as long as the last write took."""


class CallOutputWriter:
    """The loop that stores the output of the calls that this worker makes."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._pause = OUTPUT_INTERVAL
        self._unwritten: set[int] = set()
        self._thread = PeriodicThread("call-output", self._run_round, lambda: self._pause)

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Write nothing more; wait at most two seconds for the current write."""
        self._thread.stop(timeout=2)

    @property
    def pause(self) -> float:
        """Seconds until the next write."""
        return self._pause

    def _run_round(self) -> None:
        if not self._context.snapshot.away:
            self._context.guard.run(Loop.CALL_OUTPUT, self.write)

    def write(self) -> None:
        """Store what has changed of every call that is old enough, in one transaction."""
        old = time.monotonic() - OUTPUT_INTERVAL
        running = [call for call in self._context.running.all() if call.began <= old]
        self._unwritten &= {call.id for call in running}
        self._unwritten |= {call.id for call in running if call.output.update()}
        if not self._unwritten:
            return
        began = time.monotonic()
        try:
            self._store([call for call in running if call.id in self._unwritten])
            self._unwritten.clear()
        finally:
            self._pause = min(max(OUTPUT_INTERVAL, _SHARE * (time.monotonic() - began)), LONGEST_OUTPUT_PAUSE)

    def _store(self, running: list[RunningCall]) -> None:
        with self._context.database.write() as session:
            services.store_live_output(session, {call.id: call.output.text for call in running})
