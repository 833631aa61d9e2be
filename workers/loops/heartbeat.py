"""Claims this worker's node and sends its heartbeats.

A worker sends a heartbeat when it begins and every few seconds after. If another live
worker has claimed the node, this worker ends: before it has begun or, if it was frozen
and another worker claimed the node in the meantime, with its next heartbeat.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from datetime import datetime
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from app.domain.enums import Loop
from app.domain.nodes import Heartbeat
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.usecases.nodes import claims
from app.usecases.nodes.claims import NodeTaken
from app.usecases.windows import expire as expiry
from app.usecases.windows import open as opening
from workers.engine import negotiation
from workers.loops.stack_loader import StackLoader
from workers.state import identity
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)


class HeartbeatLoop:
    """Claims the node for this worker, sends its heartbeats and publishes its stacks."""

    def __init__(self, context: WorkerContext, loading: StackLoader) -> None:
        self._context, self._loading = context, loading
        self._locks = identity.locks_id(context.lock_dir)
        self._started_at: datetime | None = None
        self._up = False
        self._engine_said = ""
        self.refused = False

    def begin(self) -> None:
        """Claim the node and publish its stacks; raises NodeTaken. A database that is away gets it later."""
        self.know_engine()
        try:
            self._claim()
            self._loading.publish(self._sign)
            self._up = True
            self._claim()
        except NodeTaken as taken:
            self._say_refused(taken)
            raise
        except SQLAlchemyError as error:
            log.warning("the database is away; this node is claimed when it is back: %s", error)

    def beat(self) -> None:
        """Send a heartbeat, and publish what is new. Ends this worker if another one has claimed the node."""
        try:
            self._claim()
        except NodeTaken as taken:
            self._say_refused(taken)
            self._end()
            return
        self._loading.check_locations()
        self._loading.publish(self._sign)
        self._up = True
        self._tidy()

    def end(self) -> None:
        """Remove this worker's heartbeat. If the database is away, its lock or age shows that it ended."""
        with suppress(SQLAlchemyError), self._context.database.write() as session:
            claims.leave(session, self._context.me.name)

    def know_engine(self) -> None:
        """Ask which engine this is; one that is away or cannot be served is asked again."""
        before = self._context.engine_id
        try:
            self._context.engine_id = self._context.engine.id()
            self._engine_said = ""
        except negotiation.Unable as error:
            self._say_once(negotiation.why(error))
        self._loading.serve_engine(self._context.engine.fault)
        if self._context.engine_id != before:
            self._loading.publish_again()

    def _say_once(self, why: str) -> None:
        """Log why the engine cannot be used, when that has changed: it is asked every few seconds."""
        if why != self._engine_said:
            log.warning("%s", why)
        self._engine_said = why

    def admit(self) -> list[str]:
        """Begin every window that waited for this node and whose stack is served here; return their ids."""
        with self._context.database.read() as session:
            waiting = [one.id for one in rows.waiting(session, self._context.node) if self._serves(one.stack)]
        admitted: list[str] = []
        for window in waiting:
            admit = partial(self._admit, window, admitted)
            self._context.guard.isolate(Loop.CLOCK, f"window {window}", admit)
        return admitted

    def _serves(self, stack: StackId) -> bool:
        served = self._context.stacks.get(stack)
        return stack in self._context.claimed and served is not None and served.place is not None

    def _admit(self, window: str, admitted: list[str]) -> None:
        with self._context.database.write() as session:
            new = opening.admit(session, window, self._context.database.now())
        if new is not None:
            admitted.append(window)

    def _claim(self) -> None:
        with self._context.database.write() as session:
            mine = self._sign()
            claims.appear(session, mine, dead=self._context.me.dead, now=mine.seen_at, up=self._up)

    def _sign(self) -> Heartbeat:
        context, now = self._context, self._context.database.now()
        self._started_at = self._started_at or now
        return Heartbeat(
            context.me.name,
            context.node,
            context.engine_id,
            self._locks,
            sorted(context.claimed),
            self._started_at,
            now,
            context.call_limit,
        )

    def _tidy(self) -> None:
        """Give up windows that have waited too long for a node that is away. Any live worker does this."""
        with self._context.database.write() as session:
            expiry.give_up_waiting(session, self._context.database.now())

    def _say_refused(self, taken: NodeTaken) -> None:
        for fault in taken.faults:
            log.error("%s", fault)
        with self._context.database.write() as session:
            mine = self._sign()
            claims.record_refused_claim(session, mine, taken.faults, mine.seen_at)

    def _end(self) -> None:
        """Another worker has this node now: shut down, once.

        Heartbeats begin before Celery handles the signal. Without its handler the signal would kill this
        process in the middle of its work, so the next heartbeat ends it then.
        """
        if not self.refused and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            self.refused = True
            os.kill(os.getpid(), signal.SIGTERM)
