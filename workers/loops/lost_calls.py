"""Finds running calls whose worker has died, ends their processes and records them as lost."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from app.domain.enums import Loop
from app.store import services
from app.store.tables import Call
from app.usecases.reconciliation import calls
from workers.engine import compose
from workers.loops.inspections import Inspections
from workers.offline import recovery
from workers.state import identity
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)


class LostCalls:
    """Checks the running calls of this worker's node."""

    def __init__(self, context: WorkerContext, inspections: Inspections) -> None:
        self._context, self._inspections = context, inspections

    def end_lost(self, running: list[Call], now: datetime) -> None:
        """End every lost call among `running`; one that cannot be ended does not prevent the others."""
        for call in running:
            self._context.guard.isolate(Loop.CLOCK, f"call {call.id}", partial(self.end_if_lost, call, now))

    def running(self) -> list[Call]:
        """The calls of this node that are running by the database."""
        with self._context.database.read() as session:
            return services.running_calls(session, self._context.node)

    def end_if_lost(self, running: Call, now: datetime) -> None:
        """End one call if its worker is dead. A call that has ended in the meantime is left as it is."""
        if not self.is_lost(running.id, running.worker):
            return
        self._end(running)
        with self._context.database.write() as session:
            call = session.get(Call, running.id)
            if call is None or not calls.lose_call(session, call, now):
                return
        log.warning("call %d (%s %s) was lost with its worker", running.id, running.action, running.service)
        self._inspections.mark(running.stack, [running.service], Trigger.CALL)

    def is_lost(self, call: int, worker: str) -> bool:
        """Whether no live worker makes this call; `worker` is the name of the one that began it."""
        context = self._context
        if worker == context.me.name:
            return call not in context.under_way and call not in context.journal.calls
        # Its journal is imported first, since it may say how the call ended.
        return context.me.dead(worker) and worker not in recovery.journals_of_others(context)

    def _end(self, call: Call) -> None:
        context, project = self._context, compose.project_of(call.argv)
        if project and identity.end_leftover(context.lock_dir, project, call.service, context.me.dead):
            log.warning("ended what a dead worker left running on %s/%s", call.stack, call.service)
