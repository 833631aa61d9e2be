"""The loop that begins the requests for intents of this node, each in a thread of its own.

It ends what a dead worker has left, and the requests whose approval does not come. It exists only where the
feature `intents` is on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from app.domain.enums import Loop
from app.domain.intents import IntentOutcome, IntentState
from app.store import intents as rows
from app.store import jobs
from app.store.tables import IntentRequest
from app.usecases import intents
from workers.conductor.scenario_run import Converging
from workers.intents.request_work import RequestWork
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

ATTEND_INTERVAL = 2.0
"""Seconds between two rounds; a task message begins the next one at once."""
PARALLEL_REQUESTS = 4
"""Requests that are attended to at the same time; others stay queued."""
UNSERVED_REQUEST_WAIT = timedelta(minutes=2)
"""How long a request waits for its stack to be served here."""
REQUEST_RETENTION = timedelta(days=90)
"""How long a finished request is stored."""
STOP_WAIT = 10.0
"""Seconds for which the requests under way are waited for when the worker ends."""
_FORGET = 3600.0


class IntentRunner:
    """Finds queued requests of this node, and requests whose worker is dead."""

    def __init__(self, context: WorkerContext, converging: Converging) -> None:
        self._context, self._converging = context, converging
        self._stopping, self._hint = threading.Event(), threading.Event()
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._active: dict[str, threading.Thread] = {}
        self._forget_at = time.monotonic()
        self._thread = threading.Thread(target=self._repeat, name="intents", daemon=True)

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more; cut the requests under way, and wait STOP_WAIT for them."""
        self._stopping.set()
        self._hint.set()
        self._thread.join(timeout=5)
        until = time.monotonic() + STOP_WAIT
        for thread in list(self._active.values()):
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def wake(self) -> None:
        """Begin the next round at once."""
        self._hint.set()

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            if not self._context.snapshot.away:
                self._context.guard.run(Loop.INTENTS, self.turn)
            self._hint.wait(ATTEND_INTERVAL)
            self._hint.clear()

    def turn(self) -> None:
        """Begin what is queued, end what a dead worker has left, and forget what is old."""
        database = self._context.database
        with database.read() as session:
            unfinished = jobs.unfinished_jobs(session, IntentRequest, self._context.node)
        for row in unfinished:
            self._context.guard.isolate(Loop.INTENTS, f"request {row.id}", partial(self._attend, row))
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET
            with database.write() as session:
                rows.forget(session, database.now() - REQUEST_RETENTION)

    def _attend(self, row: IntentRequest) -> None:
        if row.id in self._active or self._stopping.is_set():
            return
        if row.state == IntentState.WAITING:
            with self._context.database.write() as session:
                intents.expire_approvals(session, row, self._context.database.now())
        elif row.state != IntentState.QUEUED:
            self._end_left_over(row)
        elif row.stack not in self._context.stacks:
            self._fail_unserved(row)
        elif len(self._active) < PARALLEL_REQUESTS:
            self._begin_request(row)

    def _begin_request(self, row: IntentRequest) -> None:
        database = self._context.database
        with database.write() as session:
            if intents.claim_request(session, row.id, self._context.me.name, database.now()) is None:
                return
        self._start(row.id, self._work(row).carry_out)

    def _end_left_over(self, row: IntentRequest) -> None:
        """End a request that no live worker attends to."""
        me = self._context.me
        if row.worker != me.name and not me.dead(row.worker):
            return
        died = "its thread ended with an error" if row.worker == me.name else "its worker died"
        log.warning("request %s was left over by worker %s", row.id, row.worker)
        self._work(row).end_left_over(f"cancelled by {row.cancelled_by}" if row.cancelled_by else died)

    def _fail_unserved(self, row: IntentRequest) -> None:
        now = self._context.database.now()
        if now - row.created_at < UNSERVED_REQUEST_WAIT:
            return
        detail = f"stack {row.stack} is not served by node {row.node}"
        with self._context.database.write() as session:
            intents.finish_request(session, row.id, IntentOutcome.FAILED, detail, now)

    def _work(self, row: IntentRequest) -> RequestWork:
        return RequestWork(
            self._context, self._converging, row, turn=self._turn, stopping=self._stopping.is_set
        )

    def _start(self, request: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._run, args=(request, work), name=f"intent-{request}", daemon=True
        )
        with self._lock:
            self._active[request] = thread
        thread.start()

    def _run(self, request: str, work: Callable[[], None]) -> None:
        try:
            self._context.guard.run(Loop.INTENTS, work, f"request {request}")
        finally:
            with self._lock:
                self._active.pop(request, None)
            # A request that ended because something broke is ended properly, and a queued one begins.
            self._hint.set()
