"""How long a healthcheck may take until the engine calls a service healthy or unhealthy."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import durations

INTERVAL, DEFAULT_TIMEOUT, RETRIES = 30.0, 30.0, 3
"""Docker's own, where nothing else is said; its `start_period` is 0."""
SHORTEST, HEALTH_MARGIN = 60.0, 10.0
"""Seconds that every service may take to be ready, and what is given on top of the healthcheck's own time."""


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A healthcheck's terms, in seconds; 0 stands for Docker's own, as in what the engine tells."""

    retries: int = 0
    start_period: float = 0.0
    interval: float = 0.0
    timeout: float = 0.0

    @property
    def longest(self) -> float:
        """Seconds from its start until it is certainly either healthy or unhealthy.

        Probes that begin within `start_period` do not count as failures, and one may be under way at
        its end. After that come `retries` probes, each an interval after the one before has ended.
        """
        interval, timeout = self.interval or INTERVAL, self.timeout or DEFAULT_TIMEOUT
        return self.start_period + timeout + (self.retries or RETRIES) * (interval + timeout)


def ready_timeout(check: Healthcheck | None) -> float:
    """Seconds that a service with this healthcheck, or with none, may run and not be ready."""
    if check is None:
        return SHORTEST
    return min(durations.LONGEST_CALL, max(SHORTEST, check.longest + HEALTH_MARGIN))
