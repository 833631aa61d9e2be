"""`power audit`: the trail as it was written, as it is being written, and its proof."""

import json
import threading

import pytest

from tests.cli.api_bodies import entry, window
from tests.cli.conftest import Power
from tests.cli.service import Service

WHOLE = {"ok": True, "chains": [{"chain": "vx11", "entries": 12, "ok": True, "first_bad": None}]}
BROKEN = {
    "ok": False,
    "chains": [
        {"chain": "house", "entries": 3, "ok": True, "first_bad": None},
        {"chain": "vx11", "entries": 6, "ok": False, "first_bad": {"seq": 7, "reason": "altered"}},
    ],
}


def test_an_entry_is_a_sentence(service: Service, power: Power) -> None:
    called = {"service": "switch", "window": "3f2a9c1d00", "actor": "worker@local"}
    service.entries = [
        entry(1, "window.opening", window="3f2a9c1d00", facts={"services": ["switch"], "ttl_sec": 1800}),
        entry(2, "call.started", **called, facts={"action": "up"}),
        entry(3, "call.finished", **called, facts={"action": "up", "status": "ok", "stderr": "Started"}),
        entry(1, "token.created", stack=None, facts={"name": "grace", "scope": "all"}),
        entry(4, "node.claimed", actor="power-windows"),
    ]

    assert power("audit").stdout.splitlines() == [
        "2026-03-01T10:00:01.000Z  3f2a9c1d00  ada opens switch for 30m",
        "2026-03-01T10:00:02.000Z  3f2a9c1d00  up of switch begins",
        "2026-03-01T10:00:03.000Z  3f2a9c1d00  up of switch: ok",
        "2026-03-01T10:00:01.000Z  -  ada creates the token grace",
        "2026-03-01T10:00:04.000Z  -  power-windows lets a worker serve node ?",
    ]


def test_raw_is_a_line_with_the_facts(service: Service, power: Power) -> None:
    facts = {"argv": ["docker", "compose", "up", "a b"], "returncode": 0, "stderr": "", "why": "ready now"}
    service.entries = [
        entry(1, "window.opening", window="3f2a9c1d00"),
        entry(2, "call.finished", actor="worker@local", window="3f2a9c1d00", service="switch", facts=facts),
        entry(1, "token.created", stack=None),
    ]

    assert power("audit", "--raw").stdout.splitlines() == [
        "2026-03-01T10:00:01.000Z  window.opening   ada  vx11  3f2a9c1d00",
        "2026-03-01T10:00:02.000Z  call.finished    worker@local  vx11/switch  3f2a9c1d00  "
        "argv=docker compose up 'a b' returncode=0 why='ready now'",
        "2026-03-01T10:00:01.000Z  token.created    ada  -  -",
    ]


def test_it_is_narrowed_to_a_window_by_the_service(service: Service, power: Power) -> None:
    service.add(window())
    service.entries = [entry(1), entry(2, window="3f2a9c1d00")]

    result = power("audit", "--window", "3f2a", "--json")

    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [2]


def test_the_last_few_are_shown(service: Service, power: Power) -> None:
    service.entries = [entry(number) for number in range(1, 10)]

    result = power("audit", "--last", "2", "--json")

    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [8, 9]


def test_following_shows_each_entry_once(
    service: Service, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs: list[int] = []

    def show(received: dict[str, int]) -> None:
        seqs.append(received["seq"])
        if received["seq"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("app.cli.output.dump_line", show)
    service.entries = [entry(1), entry(2)]

    def write() -> None:
        service.wait_for_listener()
        # The second comes by both ways: it is on record and in the stream.
        for number in (2, 3, 4):
            service.say(str(number), entry(number))

    system = threading.Thread(target=write)
    system.start()
    result = power("audit", "--follow", "--json")
    system.join()

    assert (seqs, result.exit_code) == ([1, 2, 3, 4], 0)


def test_a_whole_trail_is_proved(service: Service, power: Power) -> None:
    service.verdict = WHOLE

    result = power("audit", "verify")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["CHAIN  ENTRIES  VERDICT", "vx11   12       ok"]


@pytest.mark.parametrize("reason", ["altered", "missing", "reordered"])
def test_a_broken_trail_names_the_first_bad_entry(service: Service, power: Power, reason: str) -> None:
    chain = {**BROKEN["chains"][1], "first_bad": {"seq": 7, "reason": reason}}  # type: ignore[index]
    service.verdict = {"ok": False, "chains": [chain]}

    result = power("audit", "verify")

    assert result.exit_code == 1
    assert result.stderr.startswith("power: the trail of vx11 is broken: entry 7 ")
    assert reason in result.stderr


def test_a_broken_trail_fails_in_json_too(service: Service, power: Power) -> None:
    service.verdict = BROKEN

    result = power("audit", "verify", "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (1, BROKEN)


def test_without_a_stream_following_is_refused_by_name(service: Service, power: Power) -> None:
    service.streams = False

    result = power("audit", "--follow")

    assert (result.exit_code, "no streams here" in result.stderr) == (4, True)
