"""Flower, as `power standalone --flower` runs it: what its own API says of a window's tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path)
    yield one
    one.clear()


def test_a_window_is_readable_in_flower(standalone: Standalone) -> None:
    standalone.start("--flower")
    token = (standalone.data / "token").read_text().strip()
    match = re.search(r"flower +(http://127\.0\.0\.1:\d+)", standalone.said())
    assert match
    with httpx.Client(base_url=match[1], auth=("power", token), timeout=20) as flower:
        # Events are told once: what a worker did before Flower listened, it never hears of.
        until(lambda: _hears(flower), 60)

        # It asks for nothing again, so a window that it missed is followed by another.
        windows: list[str] = []

        def seen() -> list[tuple[str, str]]:
            windows.append(_opened(standalone.port, token))
            with suppress(AssertionError):
                until(lambda: _tasks(flower, windows[-1]), 20)
            return [(window, one["args"]) for window in windows for one in _tasks(flower, window)]

        tasks = until(seen, 60)

    assert {args for _window, args in tasks} == {f"{window} small: forge" for window, _args in tasks}


def _opened(port: int, token: str) -> str:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/api/v1/windows",
        json={"services": ["forge"], "ttl_sec": 60},
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _hears(flower: httpx.Client) -> bool:
    try:
        return "flower_events_total{" in flower.get("/metrics").text
    except httpx.TransportError:
        return False


def _tasks(flower: httpx.Client, window: str) -> list[dict[str, Any]]:
    """The opening's tasks, once one of them is done."""
    tasks = [
        one
        for one in flower.get("/api/tasks").json().values()
        if one["name"] == "power.open_window" and window in (one["args"] or "")
    ]
    return tasks if any(one["state"] == "SUCCESS" for one in tasks) else []
