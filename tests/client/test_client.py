"""What a program gets: values, errors with the service's own words, and events without a gap."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

import power_windows
from power_windows import Client, NotFound, Refused, Unreachable, rest, runs
from tests.cli.api_bodies import ON, entry, stack, window
from tests.cli.api_bodies import service as compose_service
from tests.cli.service import Service


def test_a_window_is_a_value(client: Client, service: Service) -> None:
    service.add(window(state="open", status="ok", health={"switch": ON}))

    first = client.get("3f2a9c1d00")

    assert (first.services, first.state, first.left, first.ready) == (("switch",), "open", 1793.2, True)
    assert first.created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert first.raw["ttl_sec"] == 1800
    assert list(client.windows(state="open")) == [first]


def test_opening_extending_and_closing(client: Client, service: Service) -> None:
    opened = client.open("switch", ttl="30m", reason="batch 7")
    client.extend(opened, "1h")

    assert service.requests("POST", "/windows")[0].body["ttl_sec"] == 1800
    assert service.requests("PATCH", f"/windows/{opened.id}")[0].body == {"ttl_sec": 3600}
    assert client.close(opened, reason="done").state == "closing"


def test_stacks_and_services(client: Client, service: Service) -> None:
    held = compose_service("switch", "on", holders=["3f2a9c1d00"], time_left_sec=12.5)
    service.stacks = [stack("vx11", "OPEN", [held])]

    (first,) = client.stacks()

    assert (first.name, first.mode, first.services[0].left) == ("vx11", "OPEN", 12.5)
    assert client.stack("vx11") == first


def test_what_is_not_there_is_said_in_the_services_words(client: Client) -> None:
    with pytest.raises(NotFound) as refused:
        client.get("nosuch")

    assert (refused.value.status, refused.value.problem["detail"]) == (404, "there is no window 'nosuch'")


def test_a_wrong_token_is_refused_and_no_server_is_unreachable(service: Service) -> None:
    with Client(service.url, "wrong") as unauthorized, pytest.raises(Refused):
        unauthorized.stacks()
    with Client("http://127.0.0.1:9", "any") as client, pytest.raises(Unreachable):
        client.stacks()


def test_a_duration_that_is_none_is_said_before_anything_is_asked(client: Client, service: Service) -> None:
    with pytest.raises(ValueError, match="30m"):
        client.open("switch", ttl="soon")
    assert service.asked == []


def test_events_go_on_where_a_stream_broke(client: Client, service: Service) -> None:
    events = client.events()
    service.said.append(("0", entry(1)))
    service.breaks_after = 1

    def tell() -> None:
        service.wait_for_listener()
        for number in range(2, 5):
            service.say(str(number), entry(number))

    system = threading.Thread(target=tell)
    system.start()
    seqs = [one.seq for one in islice(events, 3)]
    system.join()

    assert seqs == [2, 3, 4]
    assert [one.headers.get("Last-Event-Id") for one in service.requests("GET", "/events")][1:] == ["2", "3"]


def test_importing_loads_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, power_windows; "
        "print([name for name in ('httpx', 'click', 'rich') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert output == "[]\n"


def test_everything_that_is_promised_is_there() -> None:
    assert all(getattr(power_windows, name) for name in power_windows.__all__)
    with pytest.raises(AttributeError):
        _ = power_windows.nothing


class Runs:
    """The answers of a server whose run ends at the third look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, str]] = []
        self.looks = 0
        monkeypatch.setattr(runs, "RUN_POLL_SECONDS", 0.01)
        monkeypatch.setattr(rest.Api, "send", self.send)

    def send(self, method: str, path: str, requested: object = (), **options: Any) -> httpx.Response:
        self.sent.append((method, path))
        self.looks += method == "GET"
        over = self.looks >= 3
        steps = [{"name": "listens", "status": "passed" if over else "running"}]
        run = {"id": "0f1e", "name": "cycle", "stack": "vx11", "detail": "", "window": None, "steps": steps}
        state = {"state": "finished" if over else "running", "outcome": "passed" if over else None}
        if path.endswith("/report"):
            return httpx.Response(200, text="# Run")
        return httpx.Response(200, json={**run, **state})


def test_a_scenario_is_run_to_its_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Runs(monkeypatch)
    run = client.conduct({"name": "cycle", "services": ["switch"]})
    assert (run.passed, run.steps) == (True, {"listens": "passed"})
    assert server.sent == [("POST", "/runs"), *[("GET", "/runs/0f1e")] * 3]
    assert client.report(run, "md") == "# Run"


def test_a_run_that_is_not_awaited_goes_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Runs(monkeypatch)
    assert client.conduct({"services": ["switch"]}, wait=False).outcome is None
    assert server.sent == [("POST", "/runs")]


def test_ctrl_c_cancels_the_run(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Runs(monkeypatch)
    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.conduct({"services": ["switch"]})
    assert server.sent[-1] == ("POST", "/runs/0f1e/cancel")


def interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt
