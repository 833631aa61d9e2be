"""Whether a request or the engine's restart policy started a container.

An engine that starts, with its host or after a crash, starts every container with the restart
policy `always`, even one that was stopped long before. Its events do not distinguish such a start
from a requested one. But no request reaches an engine that is down:

    seen off .... (the engine starts anew) . container starts . listening begins .... seen running

A container that started after the engine began to listen was started by a request, and so was one on
an engine that has run all the time since the container was seen off. The first start of a
container that has restarted since, as in a crash loop, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from app.domain.enums import Power
from app.domain.readiness import Container
from app.store.tables import Service
from workers.engine.client import Engine

SURELY = timedelta(seconds=1)
"""Tolerance: an engine starts its containers just before it serves events, and its clock is read remotely."""


def by_the_engine(engine: Engine, containers: Iterable[Container], before: Service, at: datetime) -> bool:
    """Did the engine itself restart a service that was last seen off, as `before` has it?

    `at` is now, by the engine's clock. Without a proof it counts as the engine's restart, since nothing
    may stay on.
    """
    alive = [one for one in containers if one.alive]
    if before.observed_at is None or not all(one.policy for one in alive):
        return False
    if _heard(engine, alive):
        return False
    # Row and engine go by clocks of their own; how long ago it was is the same on both.
    seen_off = engine.now() - (at - before.observed_at)
    # While the engine was away nothing was seen, and what it has run through since began with its start.
    return before.power == Power.UNKNOWN or not engine.ran_on_since(seen_off)


def _heard(engine: Engine, alive: Iterable[Container]) -> bool:
    since = engine.heard_since
    return since is not None and all(_started_after(one, since + SURELY) for one in alive)


def _started_after(one: Container, moment: datetime) -> bool:
    # A manual start resets the engine's restart count, and each restart moves the start time on.
    return not one.restarts and one.started_at is not None and one.started_at > moment
