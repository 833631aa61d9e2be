"""The engine's clock, carried on where its host's clock is set, and the times the engine tells by it.

How long a container has been running is a difference of two times. After a step of the
engine's clock, one of them would be from before it and one from after. So the clock here
never steps: times that the engine wrote after a step are moved by it.

    engine's own clock   12:00 --- 12:10 | 10:10 --- 10:20
    this clock           12:00 --- 12:10 ----------- 12:20
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.readiness import Container
from app.host.boot_clock import boot_clock
from app.store.clock import SMALLEST_STEP, Clock

log = logging.getLogger(__name__)

_EVER = datetime.min.replace(tzinfo=UTC)
_REMEMBERED = 10_000
"""Times of containers of which it is remembered where they belong."""
_AHEAD = timedelta(seconds=2)
"""A time later than this from now was written before the clock was set back."""


class EngineClock(Clock):
    """One per engine. `away` is what `ask` raises while the engine does not answer."""

    def __init__(
        self,
        ask: Callable[[], datetime],
        elapsed: Callable[[], float] = boot_clock,
        *,
        away: tuple[type[Exception], ...],
    ) -> None:
        super().__init__(ask, elapsed, away)
        self._epochs = [(_EVER, timedelta())]
        """From when on, by the engine's own clock, this one is ahead of it by how much; the newest last."""
        self._placed: OrderedDict[tuple[str, datetime], datetime] = OrderedDict()
        self._turn = threading.Lock()

    @property
    def ahead(self) -> timedelta:
        """By how much this clock is ahead of the engine's own now."""
        return self._epochs[-1][1]

    def _carried_source(self, at: float) -> datetime | None:
        carried = super()._carried_source(at)
        return carried - self.ahead if carried else None

    def _accept(self, at: float, answer: datetime) -> datetime:
        expected = super()._carried_source(at)
        if expected is not None and abs(answer + self.ahead - expected) > SMALLEST_STEP:
            log.warning("the engine's clock has stepped by %+.0f s", _seconds(answer + self.ahead - expected))
            self._epochs.append((answer, expected - answer))
        return answer + self.ahead

    def own_time(self, moment: datetime) -> datetime:
        """What the engine's own clock showed at a moment by this one."""
        for since, ahead in reversed(self._epochs[1:]):
            if since + ahead <= moment:
                return moment - ahead
        return moment

    def to_host_time(self, container: Container) -> Container:
        """The same container with its times by this clock."""
        now = self.extrapolate()
        if now is None:
            return container
        created, started, finished = (
            at and self._place(container.id, at, now)
            for at in (container.created_at, container.started_at, container.finished_at)
        )
        return replace(container, created_at=created, started_at=started, finished_at=finished)

    def _place(self, container: str, at: datetime, now: datetime) -> datetime:
        """A time that was seen before a step keeps its place; it belongs to the time before."""
        with self._turn:
            key = (container, at)
            # What would be yet to come began at an unknown time before: it counts from now.
            self._placed.setdefault(key, min(at + self._ahead_at(at, now), now + _AHEAD))
            self._placed.move_to_end(key)
            if len(self._placed) > _REMEMBERED:
                self._placed.popitem(last=False)
            return self._placed[key]

    def _ahead_at(self, at: datetime, now: datetime) -> timedelta:
        for since, ahead in reversed(self._epochs):
            if since <= at and at + ahead <= now + _AHEAD:
                return ahead
        return self._epochs[0][1]


def _seconds(step: timedelta) -> float:
    return step.total_seconds()
