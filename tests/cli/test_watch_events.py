"""`power watch`: news in words, with how long things took, and nothing missed where a stream broke."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.cli.event_text import EventText
from power_windows import rest as wire
from tests.cli.api_bodies import entry, stack, window
from tests.cli.conftest import Power
from tests.cli.service import Service

ID = "3f2a9c1d00"


def told(number: int, event: str, **facts: Any) -> dict[str, Any]:
    named = {name: facts.pop(name) for name in ("service", "actor", "stack") if name in facts}
    return entry(number, event, window=ID, facts=facts, **named)


STORY = [
    told(1, "window.opening", services=["switch", "hermes"], ttl_sec=1800, reason="batch 7"),
    told(2, "call.started", service="switch", action="up", argv=["up"]),
    told(3, "call.finished", service="switch", action="up", status="ok", argv=["up"]),
    told(4, "call.finished", service="hermes", action="up", status="fail", stderr="a\nno such image"),
    told(5, "service.ready", service="switch", power="on"),
    told(6, "service.failing", service="hermes", detail="exit code 1\nNo module named 'x'"),
    told(7, "window.open", status="partial"),
    told(8, "window.extended", ttl_sec=3600),
    told(9, "window.closing", reason="its time was up"),
    told(10, "window.stuck", failed_stops={"switch": 3}),
    told(11, "window.closed", reason="its time was up"),
]
WORDS = [
    'ada opens switch, hermes for 30m "batch 7"',
    "up of hermes: fail",
    "    a",
    "    no such image",
    "switch ready after 4.0s",
    "hermes failing: exit code 1",
    "    No module named 'x'",
    "open (partial) after 6.0s",
    "ada extends: 1h from now",
    "closing: its time was up",
    "stuck: switch (3 failed stops)",
    "closed after 2.0s, lasted 10s",
]


def words(story: EventText, *entries: dict[str, Any]) -> list[str]:
    lines = [line.plain for one in entries for line in story.lines(one)]  # type: ignore[arg-type]
    return [line if line.startswith(" ") else line.split(f"{ID}  ", 1)[-1] for line in lines]


def test_a_window_from_its_beginning_to_its_end() -> None:
    assert words(EventText(), *STORY) == WORDS


def test_what_concerns_no_window() -> None:
    lines = words(
        EventText(named=True),
        entry(1, "drift.found", service="mcp", facts={"power": "on", "role": "allowed"}),
        entry(2, "refused", facts={"why": "redis may not be powered"}),
        entry(3, "stack.rejected", facts={"faults": ["a file is missing"]}),
        entry(4, "an.event.of.tomorrow", service="mcp"),
    )
    assert [line.split("  ", 3)[-1] if not line.startswith(" ") else line for line in lines] == [
        "mcp drifts: it is on",
        "ada is refused: redis may not be powered",
        "vx11 is rejected",
        "    a file is missing",
        "an.event.of.tomorrow mcp by ada",
    ]


@contextmanager
def telling(service: Service, *entries: dict[str, Any]) -> Iterator[None]:
    """Send these as soon as a client listens."""

    def tell() -> None:
        service.wait_for_listener()
        for number, one in enumerate(entries, start=1):
            service.say(str(number), one)

    system = threading.Thread(target=tell)
    system.start()
    yield
    system.join()


def test_one_window_is_reported_from_its_beginning_and_watched_to_its_end(
    power: Power, service: Service
) -> None:
    service.add(window(created_at="2026-03-01T10:00:01.000Z"))
    service.stacks = [stack()]
    service.entries = STORY[:7]
    with telling(service, *STORY[5:8], entry(1, window="another", stack="two"), *STORY[8:]):
        result = power("watch", "--window", "3f2a")

    assert result.exit_code == 0
    assert [line.split(f"{ID}  ")[-1] for line in result.stdout.splitlines()] == WORDS


def test_a_window_that_has_closed_already_is_reported_and_not_waited_for(
    power: Power, service: Service
) -> None:
    service.add(window(state="closed"))
    service.entries = STORY

    assert power("watch", "--window", "3f2a").stdout.splitlines()[-1].endswith("lasted 10s")


def test_json_is_as_the_api_says_it(power: Power, service: Service) -> None:
    service.add(window(state="closed"))
    service.entries = STORY

    printed = power("watch", "--window", "3f2a", "--json").stdout.splitlines()

    assert [json.loads(one) for one in printed] == STORY


def test_a_stream_that_breaks_is_taken_up_where_it_broke(
    power: Power, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "RECONNECT_SECONDS", 0.02)
    service.add(window(created_at="2026-03-01T10:00:01.000Z"))
    service.breaks_after = 2
    with telling(service, *STORY):
        result = power("watch", "--window", "3f2a")

    assert [line.split(f"{ID}  ")[-1] for line in result.stdout.splitlines()] == WORDS
    assert "trying again" in result.stderr
    resumed = [one.headers.get("Last-Event-Id") for one in service.requests("GET", "/events")]
    assert resumed[0] is None
    assert all(resumed[1:])


def test_an_unreachable_server_is_three(power: Power) -> None:
    assert power("watch", POWER_URL="http://127.0.0.1:9").exit_code == 3
