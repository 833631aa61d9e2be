"""The loop that starts the queued jobs of this node, each in its own thread, and ends jobs of dead workers.

`workers.conductor` has one for runs of scenarios, `workers.intents` one for requests for intents.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Generic

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.store import jobs
from app.store.jobs import JobRow
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

ROUND_INTERVAL = 2.0
"""Seconds between two rounds; a task message begins the next one at once."""
PARALLEL_JOBS = 4
"""Jobs of one kind that are carried out at the same time; others stay queued."""
UNSERVED_WAIT = timedelta(minutes=2)
"""How long a job waits for its stack to be served here."""
JOB_RETENTION = timedelta(days=90)
"""How long a finished job is stored."""
_FORGET = 3600.0


class JobLoop(ABC, Generic[JobRow]):
    """Finds queued jobs of this node, and jobs whose worker is dead.

    A subclass has a method for each thing that such a job may need.
    """

    table: type[JobRow]
    loop: Loop
    """Under this name the loop's failures are counted."""
    word: str
    """What messages call a job."""
    end_wait: float
    """Seconds for which a worker that ends waits for its jobs."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.stopping = threading.Event()
        """Set when the worker ends: no job begins any more."""
        self._hint, self._lock = threading.Event(), threading.Lock()
        self._active: dict[str, threading.Thread] = {}
        self._forget_at = time.monotonic()
        self._thread = threading.Thread(target=self._repeat, name=f"{self.word}-loop", daemon=True)

    @abstractmethod
    def claim(self, row: JobRow) -> Callable[[], None] | None:
        """Claim a queued job; return its work, or None where it is not queued any more."""

    @abstractmethod
    def end_left_over(self, row: JobRow, reason: str) -> None:
        """End a job that no live worker carries out."""

    @abstractmethod
    def fail(self, session: Session, row: JobRow, detail: str, now: datetime) -> None:
        """Finish a job that cannot begin as failed."""

    @abstractmethod
    def forget(self, session: Session, before: datetime) -> None:
        """Delete the finished jobs that were asked for before this time."""

    def begin(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more; cut the jobs under way, and wait `end_wait` for them."""
        self.stopping.set()
        self._hint.set()
        self._thread.join(timeout=5)
        until = time.monotonic() + self.end_wait
        for thread in list(self._active.values()):
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def wake(self) -> None:
        """Begin the next round at once."""
        self._hint.set()

    def _repeat(self) -> None:
        while not self.stopping.is_set():
            if not self.context.snapshot.away:
                self.context.guard.run(self.loop, self.run_round)
            self._hint.wait(ROUND_INTERVAL)
            self._hint.clear()

    def run_round(self) -> None:
        """Start queued jobs, end jobs of dead workers, and delete old ones."""
        database = self.context.database
        with database.read() as session:
            unfinished = jobs.unfinished_jobs(session, self.table, self.context.node)
        for row in unfinished:
            self.context.guard.isolate(self.loop, f"{self.word} {row.id}", partial(self._attend_if_idle, row))
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET
            with database.write() as session:
                self.forget(session, database.now() - JOB_RETENTION)

    def _attend_if_idle(self, row: JobRow) -> None:
        if row.id not in self._active and not self.stopping.is_set():
            self.attend(row)

    def attend(self, row: JobRow) -> None:
        """Do what an unfinished job needs now that no thread of this worker carries out."""
        if row.worker:
            self._end_if_left_over(row)
        elif row.stack not in self.context.stacks:
            self._fail_unserved(row)
        elif len(self._active) < PARALLEL_JOBS and (work := self.claim(row)):
            self.start(row.id, work)

    def _end_if_left_over(self, row: JobRow) -> None:
        me = self.context.me
        if row.worker != me.name and not me.dead(row.worker):
            return
        log.warning("%s %s was left over by worker %s", self.word, row.id, row.worker)
        cancelled = f"cancelled by {row.cancelled_by}" if row.cancelled_by else ""
        self.end_left_over(row, cancelled or self.describe_death(row))

    def describe_death(self, row: JobRow) -> str:
        """Why no worker carries out this job any more."""
        return "its thread ended with an error" if row.worker == self.context.me.name else "its worker died"

    def _fail_unserved(self, row: JobRow) -> None:
        now = self.context.database.now()
        if now - row.created_at < UNSERVED_WAIT:
            return
        with self.context.database.write() as session:
            self.fail(session, row, f"stack {row.stack} is not served by node {row.node}", now)

    def start(self, job: str, work: Callable[[], None]) -> None:
        """Do this in a thread of its own, which counts as the job's until it has ended."""
        name = f"{self.word}-{job}"
        thread = threading.Thread(target=self._run, args=(job, work), name=name, daemon=True)
        with self._lock:
            self._active[job] = thread
        thread.start()

    def _run(self, job: str, work: Callable[[], None]) -> None:
        try:
            self.context.guard.run(self.loop, work, f"{self.word} {job}")
        finally:
            with self._lock:
                self._active.pop(job, None)
            # A job that ended because something broke is ended properly, and a queued one begins.
            self._hint.set()
