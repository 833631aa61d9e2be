"""Checks, in the last seconds before a visitors' window ends, whether a request is still under way.

If one is, the window is lengthened in small steps, up to the stack's `max_ttl`, so that the response is
complete. The checks are made before the deadline, so that no stop begins later than without them. While the
engine or the database does not answer, no window is lengthened.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from app.domain import idle_visits
from app.domain.enums import Loop
from app.domain.idle_visits import Traffic
from app.host.periodic_thread import PeriodicThread
from app.store import wakes
from app.store.wakes import Ending
from app.usecases import wake
from workers.engine import negotiation
from workers.engine.negotiation import Unable
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

CHECK_INTERVAL = 0.5
"""Seconds between two checks."""
PARALLEL_CHECKS = 4
"""Windows that are checked at the same time."""

Counters = dict[str, Traffic]
"""What has moved so far, by container."""


@dataclass(frozen=True, slots=True)
class _Readings:
    """The first and the latest reading before one deadline."""

    deadline: datetime
    first: Counters
    latest: Counters


class IdleVisitChecks:
    """The loop that lengthens a visitors' window while a request to its service is under way."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._before: dict[str, _Readings] = {}
        self._pool = ThreadPoolExecutor(PARALLEL_CHECKS, "traffic")
        self._thread = PeriodicThread("traffic", self._run_round, lambda: CHECK_INTERVAL)

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Check nothing more; wait at most five seconds for the checks under way."""
        self._thread.stop(timeout=5)
        self._pool.shutdown(wait=False)

    def _run_round(self) -> None:
        if not self._context.snapshot.away:
            self._context.guard.run(Loop.TRAFFIC, lambda: self.check_windows(self._pool))

    def check_windows(self, pool: ThreadPoolExecutor) -> None:
        """Check once every visitors' window that is about to end."""
        due = self._due()
        self._before = {key: one for key, one in self._before.items() if key in {at.window for at in due}}
        list(pool.map(self._check_guarded, due))

    def _due(self) -> list[Ending]:
        database = self._context.database
        with database.read() as session:
            now = database.now()
            ending = wakes.ending(session, self._context.node, now, now + idle_visits.LOOK)
        return [one for one in ending if one.deadline - now <= idle_visits.check_lead(self._ttl(one))]

    def _ttl(self, ending: Ending) -> float:
        if ending.ttl_sec is not None:
            return ending.ttl_sec
        served = self._context.stacks.get(ending.stack)
        return served.spec.default_ttl if served else 0.0

    def _check_guarded(self, ending: Ending) -> None:
        """Check a window. A window whose check fails ends at its deadline; the others are still checked."""
        self._context.guard.run(Loop.TRAFFIC, lambda: self._check_window(ending), ending.window)

    def _check_window(self, ending: Ending) -> None:
        try:
            counters = self._counters(ending)
        except Unable as error:
            log.info("window %s: nothing is measured: %s", ending.window, negotiation.why(error))
            return
        before = self._before.get(ending.window)
        if before is None or before.deadline != ending.deadline:
            self._before[ending.window] = _Readings(ending.deadline, counters, counters)
        elif _in_use(before.first, counters) or _in_use(before.latest, counters):
            self._lengthen(ending)
        else:
            self._before[ending.window] = _Readings(ending.deadline, before.first, counters)

    def _lengthen(self, ending: Ending) -> None:
        database = self._context.database
        with database.write() as session:
            wake.keep_for_traffic(session, ending.token, ending.window, database.now)

    def _counters(self, ending: Ending) -> Counters:
        served, engine = self._context.stacks.get(ending.stack), self._context.engine
        if served is None:
            return {}
        containers = engine.service_by_id(served.spec.project, [ending.service])
        usages = {container: engine.usage(container) for container in containers}
        return {container: one.traffic for container, one in usages.items() if one and one.traffic}


def _in_use(before: Counters, after: Counters) -> bool:
    return any(idle_visits.in_use(before[one], after[one]) for one in before.keys() & after.keys())
