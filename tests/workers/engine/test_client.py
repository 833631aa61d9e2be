"""What the engine says, turned into values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workers.engine import containers

INSPECTED: dict[str, Any] = {
    "Id": "c0ffee",
    "Created": "2030-05-01T11:59:58.123456789Z",
    "RestartCount": 3,
    "Image": "sha256:1234",
    "Config": {
        "Labels": {
            "com.docker.compose.service": "forge",
            "com.docker.compose.container-number": "2",
            "com.docker.compose.config-hash": "abc",
        }
    },
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "OOMKilled": False,
        "Error": "",
        "StartedAt": "2030-05-01T12:00:00.5Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {"Status": "starting"},
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-05-01T12:00:00.123456789Z", datetime(2030, 5, 1, 12, 0, 0, 123456, UTC)),
        ("2030-05-01T12:00:00.5Z", datetime(2030, 5, 1, 12, 0, 0, 500000, UTC)),
        ("2030-05-01T12:00:00Z", datetime(2030, 5, 1, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("2030-05-01T14:00:00.5+02:00", datetime(2030, 5, 1, 12, 0, 0, 500000, UTC)),
        ("2030-05-01T12:00:00", datetime(2030, 5, 1, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("2030-13-01T12:00:00Z", None),
        ("9999-12-31T23:59:59-23:00", None),
        (None, None),
        (1234, None),
    ],
)
def test_the_engines_times_are_read_to_the_microsecond(text: Any, expected: datetime | None) -> None:
    assert containers.moment(text) == expected


def test_a_container_is_described_by_its_state_and_labels() -> None:
    container = containers.container_from_inspection(INSPECTED)

    assert (container.id, container.service, container.number) == ("c0ffee", "forge", 2)
    assert (container.state, container.health, container.restarts) == ("running", "starting", 3)
    assert (container.image, container.config_hash) == ("sha256:1234", "abc")
    assert container.started_at == datetime(2030, 5, 1, 12, 0, 0, 500000, UTC)
    assert container.finished_at is None


@pytest.mark.parametrize("health", [None, {"Status": "none"}, {}])
def test_no_healthcheck_has_several_spellings(health: dict[str, str] | None) -> None:
    state = {**INSPECTED["State"], "Health": health}

    assert containers.container_from_inspection({**INSPECTED, "State": state}).health == ""


def test_a_container_without_labels_belongs_to_no_service() -> None:
    assert containers.container_from_inspection({**INSPECTED, "Config": {"Labels": None}}).service == ""


@pytest.mark.parametrize("number_label", ["abc", "", None, "1.5", "²", "9" * 5000, [], {}])
def test_a_container_whose_number_is_none_is_the_first(number_label: Any) -> None:
    labels = {**INSPECTED["Config"]["Labels"], "com.docker.compose.container-number": number_label}

    assert containers.container_from_inspection({**INSPECTED, "Config": {"Labels": labels}}).number == 1


@pytest.mark.parametrize(
    "missing",
    ["Created", "RestartCount", "Image", "Config", "HostConfig", "State.ExitCode", "State.StartedAt"],
)
@pytest.mark.parametrize("null", [True, False])
def test_missing_details_of_a_container_do_not_hide_it(missing: str, null: bool) -> None:
    raw = {**INSPECTED, "State": dict(INSPECTED["State"]), "HostConfig": {}}
    part, _, key = missing.rpartition(".")
    holder = raw[part] if part else raw
    holder.pop(key)
    if null:
        holder[key] = None

    container = containers.container_from_inspection(raw)

    assert (container.id, container.alive) == ("c0ffee", True)


@pytest.mark.parametrize(
    ("stop_timeout", "grace"), [(60, 60.0), (0, 0.0), (None, None), ("soon", None), (-1, None)]
)
def test_the_time_to_leave_is_a_number_of_seconds_or_unknown(stop_timeout: Any, grace: float | None) -> None:
    config = {**INSPECTED["Config"], "StopTimeout": stop_timeout}

    assert containers.container_from_inspection({**INSPECTED, "Config": config}).grace == grace


@pytest.mark.parametrize(
    ("healthcheck", "seconds"),
    [
        (None, None),
        ({"Test": ["NONE"]}, None),
        ({"Test": None}, None),
        ({"Test": ["CMD-SHELL", "true"], "StartPeriod": 300_000_000_000}, 300 + 30 + 3 * 60 + 10),
        ({"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 2}, 60),
        ({"Test": ["CMD", "true"], "Interval": "soon", "Retries": None}, 220),
    ],
)
def test_the_time_to_be_ready_is_that_of_the_containers_own_healthcheck(
    healthcheck: Any, seconds: float | None
) -> None:
    config = {**INSPECTED["Config"], "Healthcheck": healthcheck}

    assert containers.container_from_inspection({**INSPECTED, "Config": config}).ready_within == seconds
