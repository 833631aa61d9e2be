"""Beat's scheduler: it sleeps until the next deadline and sends the sweep at that time.

A second is the longest it sleeps, to see deadlines that are new. Where the database
is away it keeps its regular beat, and the workers' own watch covers for it. It keeps
nothing on disk: both entries come round within a minute, so there is nothing to resume.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from sqlalchemy.exc import SQLAlchemyError

from app import settings
from app.domain.enums import Loop
from app.host.loop_guard import LoopGuard
from app.store import schema, windows
from app.store.database import Database, is_outage
from app.usecases.timekeeping import Timekeeper
from workers.broker.retry_log import BrokerRetries
from workers.loops import liveness_file

log = logging.getLogger(__name__)
SETTLED = 0.02
"""Seconds a deadline must be past before a sweep is sent again for it, so one stroke is one message."""


class DeadlineScheduler(Scheduler):
    """Celery's own scheduler, which also wakes for deadlines and outlives its broker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.database = Database(settings.load_or_exit().database_url)
        try:
            schema.require(self.database)
        except schema.Mismatch as mismatch:
            raise SystemExit(str(mismatch)) from mismatch
        self._timekeeper = Timekeeper(self.database)
        self._swept: datetime | None = None
        self._retries = BrokerRetries("the workers' own watch covers for it")
        self.try_at = 0.0
        self._guard = LoopGuard(is_outage)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until there is something to do again."""
        liveness_file.beat()
        left = self.try_at - time.monotonic()
        if left > 0:
            return min(left, self._longest)
        self._forget_the_future()
        try:
            regular = float(super().tick(*args, **kwargs) or 0.0)
            return min(regular, self._until_stroke(regular))
        except Exception as error:  # noqa: BLE001 - no answer of a broker's may end the beat
            return self._schedule_retry(error)

    def _forget_the_future(self) -> None:
        """Celery schedules by the host's clock: after a step back, the last run counts as now."""
        now = self.app.now()
        future = [one for one in self.schedule.values() if one.last_run_at and one.last_run_at > now]
        for entry in future:
            entry.last_run_at = now
        if future:
            log.warning("the host's clock was set back; the regular messages go on from here")
            self._heap = None

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send one message. Raises what the broker raises; `tick` waits and tries again."""
        self.apply_async(entry, producer=producer, advance=False)
        self._retries.record_success()

    def _until_stroke(self, regular: float) -> float:
        try:
            self._timekeeper.tend()
            left = self._stroke()
        except SQLAlchemyError as error:
            self._guard.record_failure(Loop.CLOCK, error, "deadlines cannot be read")
            # Celery's own tick asks for no pause at all in the last moment before an entry is due.
            return max(regular, SETTLED)
        self._guard.record_success(Loop.CLOCK, "deadlines cannot be read")
        return left

    def _stroke(self) -> float:
        """Sweep if a deadline has come; seconds until the next one."""
        with self.database.read() as session:
            deadline = windows.next_deadline(session)
        if deadline is None:
            return self._longest
        left = (deadline - self.database.now()).total_seconds()
        if left > 0:
            return left
        if self._swept is not None and deadline <= self._swept:
            return SETTLED  # It was swept for; the worker is about to see to it.
        self._sweep()
        self._swept = deadline
        return SETTLED

    def _sweep(self) -> None:
        entry: ScheduleEntry = self.schedule["sweep"]
        self.apply_entry(entry, producer=self.producer)

    @property
    def _longest(self) -> float:
        return float(self.max_interval or 1.0)

    def _schedule_retry(self, error: Exception) -> float:
        wait = self._retries.record_failure(error)
        self.try_at = time.monotonic() + wait
        # Celery's tick takes an entry from its heap before it sends, and does not put it back if that fails.
        self._heap = None
        self._hang_up()
        return min(wait, self._longest)

    def _hang_up(self) -> None:
        """Drop the connection; the next message makes a new one."""
        self.__dict__.pop("producer", None)
        connection = self.__dict__.pop("connection", None)
        if connection is not None:
            try:
                connection.collect()
            except Exception as error:  # noqa: BLE001 - it is given up either way
                log.debug("the broker's connection could not be closed: %s", error)

    def _ensure_connected(self) -> Any:
        """Try each server once; `tick` does the waiting."""
        connection = self.connection
        tries = len(connection.alt or ())
        return connection.ensure_connection(
            max_retries=tries, interval_start=0, interval_step=0, interval_max=0
        )
