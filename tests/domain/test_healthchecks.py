"""A service is given the time that its healthcheck needs."""

from __future__ import annotations

import pytest

from app.domain import durations, healthchecks
from app.domain.healthchecks import Healthcheck


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        (None, 60),
        (Healthcheck(interval=1, timeout=1, retries=3), 60),
        (Healthcheck(), 30 + 3 * 60 + 10),
        (Healthcheck(start_period=300, interval=2, timeout=1, retries=3), 300 + 1 + 3 * 3 + 10),
        (Healthcheck(start_period=300), 300 + 220),
        (Healthcheck(interval=90, timeout=5, retries=5), 5 + 5 * 95 + 10),
        (Healthcheck(start_period=90 * 3600), durations.LONGEST_CALL),
    ],
)
def test_the_time_to_be_ready_follows(check: Healthcheck | None, seconds: float) -> None:
    assert healthchecks.ready_timeout(check) == seconds
