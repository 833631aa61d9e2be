"""`power logs`: lines with their service, notes beside them, nothing that a terminal would obey."""

from __future__ import annotations

import json

import pytest

from tests.cli.api_bodies import ON, health, window
from tests.cli.conftest import Power
from tests.cli.service import Service


def line(service: str, text: str) -> dict[str, str]:
    return {"service": service, "container": "e1bf", "at": "2026-03-01T10:00:01.000000001Z", "line": text}


@pytest.fixture(autouse=True)
def _two(service: Service) -> None:
    service.add(
        window(state="open", services=["hermes", "switch"], health={"switch": ON, "hermes": health("on")})
    )
    service.logs = [
        line("switch", "listening"),
        line("hermes", "reached \x1b[2Jswitch"),
        {"service": "hermes", "note": "its container is gone"},
    ]


def test_each_line_has_its_service_and_what_is_missing_is_reported_beside(
    power: Power, service: Service
) -> None:
    result = power("logs", "3f2a", "--tail", "5")

    assert result.exit_code == 0
    assert result.stdout == "switch  listening\nhermes  reached  [2Jswitch\n"
    assert result.stderr == "hermes: its container is gone\n"
    assert service.requests("GET", "/windows/3f2a9c1d00/logs")[0].args == {"tail": "5"}


def test_one_service_needs_no_name_before_its_lines(power: Power) -> None:
    assert power("logs", "3f2a", "--service", "switch").stdout == "listening\n"
    assert power("logs", "3f2a", "--service", "switch", "-t").stdout.startswith("2026-03-01T10:00:01.0")


def test_json_is_as_the_api_says_it(power: Power, service: Service) -> None:
    printed = power("logs", "3f2a", "--json").stdout.splitlines()
    assert [json.loads(one) for one in printed] == service.logs


def test_a_service_the_window_does_not_hold_is_refused(power: Power, service: Service) -> None:
    detail = "window 3f2a9c1d00 does not hold 'hermse'; it holds hermes, switch"
    allowed = ["hermes", "switch"]
    service.refuse("GET", "/windows/3f2a9c1d00/logs", 422, detail=detail, allowed=allowed)

    result = power("logs", "3f2a", "--service", "hermse")

    assert (result.exit_code, "does not hold" in result.stderr) == (4, True)


def test_following_is_asked_for(power: Power, service: Service) -> None:
    power("logs", "3f2a", "--follow")
    assert service.requests("GET", "/windows/3f2a9c1d00/logs")[0].args["follow"] == "1"
