"""Beat's scheduler: it sleeps until the next deadline and sends the sweep on the stroke.

A second is the longest it sleeps, to see deadlines that are new. Where the database
is away it keeps its regular beat, and the workers' own watch covers for it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from sqlalchemy.exc import SQLAlchemyError

from app import settings
from app.store import schema, windows
from app.store.database import Database
from workers import pulse

log = logging.getLogger(__name__)
SETTLED = 0.02
"""Seconds a deadline must be past before a sweep is sent again for it, so one stroke is one message."""


class DeadlineScheduler(PersistentScheduler):
    """Celery's own scheduler, which also wakes for deadlines."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._database = Database(settings.load_or_exit().database_url)
        try:
            schema.require(self._database)
        except schema.Mismatch as mismatch:
            raise SystemExit(str(mismatch)) from mismatch
        self._swept: datetime | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until there is something to do again."""
        regular = float(super().tick(*args, **kwargs) or 0.0)
        pulse.beat()
        try:
            return min(regular, self._stroke())
        except SQLAlchemyError as error:
            log.warning("deadlines cannot be read: %s", error)
            return regular

    def _stroke(self) -> float:
        """Sweep if a deadline has come; seconds until the next one."""
        with self._database.read() as session:
            deadline = windows.next_deadline(session)
        if deadline is None:
            return float(self.max_interval or 1.0)
        left = (deadline - self._database.now()).total_seconds()
        if left > 0:
            return left
        if self._swept is not None and deadline <= self._swept:
            return SETTLED  # It was swept for; the worker is about to see to it.
        self._swept = deadline
        self._sweep()
        return SETTLED

    def _sweep(self) -> None:
        entry: ScheduleEntry = self.schedule["sweep"]
        self.apply_async(entry, producer=self.producer, advance=False)
