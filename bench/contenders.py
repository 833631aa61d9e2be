"""Three ways to power eight services: through a window, through the engine's own API, one after another.

Each tells how long it took, in seconds, from being asked to the moment the engine
itself gives for the last container (StartedAt, FinishedAt), so that all are timed by
the same clock and none by how soon it looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import docker

from bench.stage import ENTRYPOINT, SERVICES, Stage, Standalone
from workers.engine.containers import PROJECT, moment

Times = dict[str, list[float]]
SETTLED = 2.0
"""Seconds before containers are stopped: a process that has yet to ask for TERM would not hear it."""


def _last(engine: docker.APIClient, containers: Iterable[str], what: str) -> float:
    """The latest StartedAt or FinishedAt, in seconds since the epoch."""
    times = [moment(engine.inspect_container(one)["State"][what]) for one in containers]
    return max(at.timestamp() for at in times if at)


def _of_project(engine: docker.APIClient, project: str) -> list[str]:
    listed = engine.containers(all=True, filters={"label": [f"{PROJECT}={project}"]})
    return [one["Id"] for one in listed]


def last_moment(engine: docker.APIClient, project: str, what: str) -> float:
    """The latest StartedAt or FinishedAt of a project's containers, in seconds since the epoch."""
    return _last(engine, _of_project(engine, project), what)


@dataclass
class Windows:
    """Through the product: POST, and what the engine says then. The network is made each time."""

    stage: Stage
    standalone: Standalone
    engine: docker.APIClient
    times: Times = field(default_factory=lambda: {"open": [], "close": [], "reopen": []})

    def round(self) -> None:
        window = self._opened("open")
        self._closed(window, "close")
        self._closed(self._opened("reopen"), "close")
        self.stage.down(self.stage.name)

    def _opened(self, what: str) -> str:
        began = time.time()
        window: str = self.standalone.open(SERVICES)["id"]
        self.standalone.until(window, "open")
        self.times[what].append(self._last("StartedAt") - began)
        return window

    def _closed(self, window: str, what: str) -> None:
        began = time.time()
        self.standalone.close(window)
        self.standalone.until(window, "closed")
        self.times[what].append(self._last("FinishedAt") - began)

    def _last(self, what: str) -> float:
        return last_moment(self.engine, self.stage.name, what)


@dataclass
class Floor:
    """The engine's own speed: one network, then eight at a time through its API, with nothing in between."""

    stage: Stage
    engine: docker.APIClient
    times: Times = field(default_factory=lambda: {"open": [], "close": [], "reopen": []})

    def round(self) -> None:
        name = f"{self.stage.name}-floor"
        began = time.time()
        network = self.engine.create_network(name, driver="bridge", check_duplicate=True)["Id"]
        try:
            containers = self._at_once(self._created, [f"{name}-{service}" for service in SERVICES])
            self.times["open"].append(_last(self.engine, containers, "StartedAt") - began)
            time.sleep(SETTLED)
            self._timed("close", self._stop, containers, "FinishedAt")
            self._timed("reopen", self._start, containers, "StartedAt")
            time.sleep(SETTLED)
            self._timed("close", self._stop, containers, "FinishedAt")
        finally:
            self._remove(name)
            self.engine.remove_network(network)

    def _created(self, name: str) -> str:
        network = name.rpartition("-")[0]
        container: str = self.engine.create_container(
            self.stage.image,
            name=name,
            entrypoint=list(ENTRYPOINT),
            host_config=self.engine.create_host_config(network_mode=network),
        )["Id"]
        self._start(container)
        return container

    def _start(self, container: str) -> str:
        self.engine.start(container)
        return container

    def _stop(self, container: str) -> str:
        self.engine.stop(container, timeout=10)
        return container

    def _timed(self, what: str, act: Callable[[str], str], containers: list[str], moment: str) -> None:
        began = time.time()
        self._at_once(act, containers)
        self.times[what].append(_last(self.engine, containers, moment) - began)

    @staticmethod
    def _at_once(act: Callable[[str], str], each: Iterable[str]) -> list[str]:
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            return list(pool.map(act, each))

    def _remove(self, name: str) -> None:
        for one in self.engine.containers(all=True, filters={"name": f"^/{name}-"}):
            self.engine.remove_container(one["Id"], force=True)


@dataclass
class Serial:
    """One `docker compose up -d SERVICE` after another, as a script would."""

    stage: Stage
    engine: docker.APIClient
    times: Times = field(default_factory=lambda: {"open": []})

    def round(self) -> None:
        began = time.time()
        for service in SERVICES:
            self.stage.compose(self.stage.serial, "up", "-d", "--", service)
        containers = _of_project(self.engine, self.stage.serial)
        self.times["open"].append(_last(self.engine, containers, "StartedAt") - began)
        self.stage.down(self.stage.serial)


def race(stage: Stage, standalone: Standalone, engine: docker.APIClient, rounds: int) -> dict[str, Times]:
    """Let all three go in turn, another one first in each round; the first round only warms up."""
    windows, floor, serial = (
        Windows(stage, standalone, engine),
        Floor(stage, engine),
        Serial(stage, engine),
    )
    order: list[Windows | Floor | Serial] = [windows, floor, serial]
    for number in range(rounds + 1):
        for contender in order:
            contender.round()
        order.append(order.pop(0))
        if number == 0:
            for contender in order:
                for taken in contender.times.values():
                    taken.clear()
    return {"windows": windows.times, "engine": floor.times, "serial": serial.times}
