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


@pytest.fixture
def two_stacks(service: Service) -> None:
    """`jellyfin` is on one stack, `db` on both; no window holds either."""
    for name, services in {"home": ["jellyfin", "db"], "lab": ["db"]}.items():
        service.stacks.append({"name": name, "services": [{"name": one} for one in services]})
    service.logs = [line("jellyfin", "listening"), {"service": "db", "note": "it has no container"}]


@pytest.mark.usefixtures("two_stacks")
@pytest.mark.parametrize(
    ("words", "stack", "out", "err"),
    [
        (["jellyfin", "-n", "5"], "home", "listening\n", ""),
        (["db", "-s", "lab"], "lab", "", "db: it has no container\n"),
    ],
)
def test_a_service_that_no_window_holds_shows_its_last_lines(
    power: Power, service: Service, words: list[str], stack: str, out: str, err: str
) -> None:
    result = power("logs", *words)

    assert (result.exit_code, result.stdout, result.stderr) == (0, out, err)
    assert service.requests("GET", f"/stacks/{stack}/services/{words[0]}/logs")


@pytest.mark.usefixtures("two_stacks")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["db"], 2, "db is a service of home, lab; name the stack: power logs -s home db"),
        (["jellyfin", "-f"], 2, "--follow needs a window, and none is meant: jellyfin is a service of home"),
        (["jellyfn", "-s", "home"], 4, "stack home has no service 'jellyfn'; it has jellyfin, db"),
        (["jellyfn"], 4, "there is no window 'jellyfn'"),
    ],
)
def test_a_name_without_logs_is_refused(power: Power, words: list[str], code: int, says: str) -> None:
    result = power("logs", *words)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr


def test_an_empty_log_is_not_silent(power: Power, service: Service) -> None:
    service.logs = []
    result = power("logs", "3f2a")
    assert (result.stdout, result.stderr) == ("", "nothing was written\n")
