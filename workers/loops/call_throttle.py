"""Lets the number of compose calls that start at once follow the host.

Only starts are throttled. A stop gives back what the host is short of.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from app.domain.enums import Loop
from app.domain.throttling import CallBounds, CallLimit, call_limit, next_limit
from app.host.periodic_thread import PeriodicThread
from app.host.pressure import LoadReader
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

READ_INTERVAL = 2.0
"""Seconds between two readings of the host's load."""


class CallThrottle:
    """The loop that sets the limit of starting calls, between the bounds of this node."""

    def __init__(self, context: WorkerContext, bounds: CallBounds, reader: LoadReader) -> None:
        self._context, self._bounds, self._reader = context, bounds, reader
        self.limit = CallLimit(bounds.most)
        self._thread = PeriodicThread("call_throttle", self._run_round, lambda: READ_INTERVAL)

    def begin(self) -> None:
        """Read the load once, so that the next reading has waits, and start the loop's thread."""
        self._reader.read()
        self._thread.start()

    def end(self) -> None:
        """Change the limit no more."""
        self._thread.stop(timeout=READ_INTERVAL)

    def _run_round(self) -> None:
        self._context.guard.run(Loop.THROTTLE, self.adjust)

    def adjust(self) -> None:
        """Read the load and set the limit; log a change with its reason."""
        target = call_limit(self._bounds, self._reader.read())
        limit = next_limit(self.limit.number, target)
        if limit.number != self.limit.number:
            log.info("at most %d compose calls start at once: %s", limit.number, limit.reason or "room again")
            queue = self._context.opening
            queue.set_limits(replace(queue.limits, starting=limit.number))
        self.limit = self._context.call_limit = limit
