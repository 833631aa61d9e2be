"""Lags between two moments: deadline to stop, request to call, healthy to open. All in milliseconds.

The moments are the product's own, from its trail, and the engine's, from its events;
both clocks are this host's.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import docker

from bench.stage import PROBED, SERVICES, Failed, Json, Standalone
from workers.engine.containers import PROJECT

TTL = 6.0
"""Seconds that a window of the spread run lasts: enough to be up before its deadline."""
GATHERING = 20.0
"""Seconds for which windows that end at the same moment are gathered, plus their share of the requests."""


def spread(standalone: Standalone, windows: int) -> list[float]:
    """Lateness of windows that end one by one, with starts and stops of others in between."""

    def lane(number: int) -> list[str]:
        time.sleep(number * TTL / len(SERVICES))
        return [_lived(standalone, SERVICES[number]) for _ in range(number, windows, len(SERVICES))]

    with ThreadPoolExecutor(len(SERVICES)) as pool:
        ids = [window for lane_of in pool.map(lane, range(len(SERVICES))) for window in lane_of]
    return _lateness(standalone, ids)


def _lived(standalone: Standalone, service: str) -> str:
    window: str = standalone.open([service], TTL)["id"]
    time.sleep(TTL + 0.3)
    standalone.until(window, "closed")
    return window


def at_once(standalone: Standalone, windows: int) -> list[float]:
    """Lateness of windows that all end at the same moment, over all eight services."""
    end = time.time() + GATHERING + windows * 0.03
    ids = [
        standalone.open([SERVICES[number % len(SERVICES)]], end - time.time())["id"]
        for number in range(windows)
    ]
    time.sleep(end - time.time() + 1)
    for window in ids:
        standalone.until(window, "closed")
    return _lateness(standalone, ids)


def _lateness(standalone: Standalone, windows: list[str]) -> list[float]:
    """Deadline to the first stop call of a service that the window held."""
    stops: dict[str, list[float]] = defaultdict(list)
    for entry in standalone.trail():
        if entry["event"] == "call.started" and entry["facts"]["action"] in {"stop", "kill"}:
            stops[entry["service"]].append(_at(entry["at"]))
    closed = [standalone.until(window, "closed") for window in windows]
    late = [one for window in closed if (one := _late(stops, window)) is not None]
    if not late:
        raise Failed("none of the windows that ended had anything to stop")
    return late


def _late(stops: dict[str, list[float]], window: Json) -> float | None:
    """None where the time was up before anything had started: there was no stop to be late with."""
    deadline = _at(window["deadline"])
    after = [at for service in window["services"] for at in stops[service] if at >= deadline]
    started = window["opened_at"] or any(call["action"] == "up" for call in window["results"])
    return (min(after) - deadline) * 1000 if after and started else None


def dispatch(standalone: Standalone) -> list[float]:
    """From each accepted window to its first call, for all windows of this run so far."""
    asked: dict[str, float] = {}
    lags: list[float] = []
    for entry in standalone.trail():
        if entry["event"] == "window.opening":
            asked[entry["window"]] = _at(entry["at"])
        elif entry["event"] == "call.started" and entry["window"] in asked:
            lags.append((_at(entry["at"]) - asked.pop(entry["window"])) * 1000)
    return lags


def ready_lag(standalone: Standalone, engine: docker.APIClient, project: str, times: int) -> list[float]:
    """From the engine's word that a container is healthy to the moment its window is open."""
    healthy = _Healthy(engine, project)
    lags = []
    for _ in range(times):
        healthy.clear()
        window = standalone.open([PROBED])["id"]
        opened = _at(standalone.until(window, "open")["opened_at"])
        lags.append((opened - healthy.at()) * 1000)
        standalone.close(window)
        standalone.until(window, "closed")
    return lags


def join(standalone: Standalone, times: int) -> list[float]:
    """From an accepted window to seen open, where everything that it asks for runs already."""
    holder = standalone.open(SERVICES)["id"]
    standalone.until(holder, "open")
    lags = []
    for number in range(times):
        window = standalone.open([SERVICES[number % len(SERVICES)]])["id"]
        opened = standalone.until(window, "open")
        lags.append((_at(opened["opened_at"]) - _at(opened["created_at"])) * 1000)
        standalone.close(window)
    standalone.close(holder)
    standalone.until(holder, "closed")
    return lags


class _Healthy:
    """When the engine last said that a container of a project had become healthy."""

    def __init__(self, engine: docker.APIClient, project: str) -> None:
        self._events = engine.events(
            decode=True,
            filters={"type": "container", "event": "health_status", "label": [f"{PROJECT}={project}"]},
        )
        self._heard = threading.Event()
        self._at = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._events:
            if event["Action"] == "health_status: healthy":
                self._at = event["timeNano"] / 1e9
                self._heard.set()

    def clear(self) -> None:
        self._heard.clear()

    def at(self) -> float:
        if not self._heard.wait(10):
            raise TimeoutError("the engine never said that the container was healthy")
        return self._at


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
