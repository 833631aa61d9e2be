"""The loop that begins the requests for intents of this node, each in a thread of its own.

It ends what a dead worker has left, and the requests whose approval does not come. It exists only where the
feature `intents` is on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.domain.intents import IntentOutcome, IntentState
from app.store import intents as rows
from app.store.tables import IntentRequest
from app.usecases import intents
from workers.intents.request_work import RequestWork
from workers.jobs.converging import Converging
from workers.jobs.job_loop import JobLoop
from workers.state.context import WorkerContext


class IntentRunner(JobLoop[IntentRequest]):
    """Finds queued requests of this node, and requests whose worker is dead."""

    table, loop, word = IntentRequest, Loop.INTENTS, "request"
    end_wait = 10.0

    def __init__(self, context: WorkerContext, converging: Converging) -> None:
        super().__init__(context)
        self._converging, self._build_lock = converging, threading.Lock()

    def attend(self, row: IntentRequest) -> None:
        """Do what an unfinished request needs now; one that waits for an approval may expire."""
        if row.state != IntentState.WAITING:
            super().attend(row)
            return
        with self.context.database.write() as session:
            intents.expire_approvals(session, row, self.context.database.now())

    def claim(self, row: IntentRequest) -> Callable[[], None] | None:
        """Claim a queued request; return what carries it out."""
        with self.context.database.write() as session:
            now = self.context.database.now()
            if intents.claim_request(session, row.id, self.context.me.name, now) is None:
                return None
        return self._work(row).carry_out

    def end_left_over(self, row: IntentRequest, reason: str) -> None:
        """End a request that no live worker attends to."""
        self._work(row).end_left_over(reason)

    def fail(self, session: Session, row: IntentRequest, detail: str, now: datetime) -> None:
        """Finish a request that cannot begin as failed."""
        intents.finish_request(session, row.id, IntentOutcome.FAILED, detail, now)

    def forget(self, session: Session, before: datetime) -> None:
        """Delete the finished requests that were made before this time, with their output."""
        rows.forget(session, before)

    def _work(self, row: IntentRequest) -> RequestWork:
        return RequestWork(
            self.context, self._converging, row, build_lock=self._build_lock, stopping=self.stopping.is_set
        )
