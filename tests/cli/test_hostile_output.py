"""Text from containers, receivers and servers, as each command shows it: obeyed by no terminal."""

from __future__ import annotations

import json

import pytest

from tests.cli.api_bodies import health, window
from tests.cli.conftest import Power
from tests.cli.service import Service

HOSTILE = "no\x1b]52;c;aGk=\x07\x1b[2J\u202eresu\x9b1m\x08\rroot"


@pytest.fixture(autouse=True)
def _hostile(service: Service) -> None:
    failing = health("failing", detail=f"{HOSTILE}\nsecond")
    service.add(window(state="open", services=["forge"], health={"forge": failing}, reason=f"{HOSTILE}\nrow"))
    service.logs = [
        {"service": "forge", "container": "e", "at": "2026-03-01T10:00:01Z", "line": HOSTILE},
        {"service": "forge", "note": HOSTILE},
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "ps",
        "windows",
        "show 3f2a",
        "logs 3f2a",
        "ps --json",
        "windows --json",
        "show 3f2a --json",
        "logs 3f2a --json",
    ],
)
def test_nothing_is_printed_that_a_terminal_obeys(power: Power, arguments: str) -> None:
    result = power(*arguments.split())
    assert result.exit_code == 0
    for line in (result.stdout + result.stderr).split("\n"):
        assert line.isprintable()


def test_json_has_all_that_the_service_said(power: Power, service: Service) -> None:
    printed = power("logs", "3f2a", "--json").stdout.splitlines()
    assert [json.loads(one) for one in printed] == service.logs


def test_a_refusal_is_one_line_for_each_thing_it_says(power: Power, service: Service) -> None:
    service.refuse("POST", "/windows", 409, detail=HOSTILE, holder=f"{HOSTILE}\nforged")
    result = power("open", "forge")
    assert result.exit_code == 4
    assert all(line.isprintable() for line in result.stderr.split("\n"))
    assert "\nforged" not in result.stderr


def test_a_new_line_makes_no_row(power: Power) -> None:
    assert len(power("windows").stdout.splitlines()) == 2


def test_what_a_receiver_answered_steers_no_terminal(power: Power, service: Service) -> None:
    tried = {"at": "2026-03-01T10:00:01Z", "elapsed_ms": 1, "ok": False, "said": f"500 {HOSTILE}\nforged row"}
    about = {"id": "n", "sink": "ops", "event": "window.stuck", "stack": "vx11", "window": None}
    notice = {**about, "state": "pending", "created_at": "2026-03-01T10:00:00Z", "deliveries": [tried]}
    service.refuse("GET", "/notices", 200, items=[notice], next=None)
    table, printed = power("notices").stdout, power("notices", "--json").stdout
    assert len(table.splitlines()) == 1
    assert all(line.isprintable() for line in (table + printed).split("\n"))
    assert json.loads(printed) == {"items": [notice]}
