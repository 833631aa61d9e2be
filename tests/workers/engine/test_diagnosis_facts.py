"""What the engine's description of a container says of its healthcheck."""

from __future__ import annotations

from typing import Any

import pytest

from workers.engine.diagnosis_facts import InspectedContainer

SECOND = 1_000_000_000


def check(end: str, code: int) -> dict[str, Any]:
    return {"End": f"2026-05-01T10:00:{end}Z", "ExitCode": code, "Output": ""}


@pytest.mark.parametrize(
    ("start_period", "results", "recovered"),
    [
        (30, [check("02.0", 1), check("04.0", 1), check("06.5", 0)], None),
        (1, [check("02.0", 1), check("08.0", 1), check("14.2", 0)], 14.2),
        (1, [check("02.0", 0), check("08.0", 1), check("14.2", 0)], None),
        (1, [check("14.2", 0)], None),
    ],
    ids=["within the start period", "after it was given up", "failed later", "never failed"],
)
def test_only_a_start_longer_than_allowed_is_a_recovery(
    start_period: int, results: list[dict[str, Any]], recovered: float | None
) -> None:
    healthcheck = {
        "Test": ["CMD", "true"],
        "StartPeriod": start_period * SECOND,
        "Interval": 2 * SECOND,
        "Retries": 3,
    }
    state = {"StartedAt": "2026-05-01T10:00:00Z", "Health": {"Status": "healthy", "Log": results}}
    health = InspectedContainer({"State": state, "Config": {"Healthcheck": healthcheck}}).health()

    assert health.recovered_sec == recovered
    assert health.allowed_sec == start_period + 6
