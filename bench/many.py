"""Two hundred services at once: through one window, and by one `docker compose up -d` of the same file."""

from __future__ import annotations

import time
from collections.abc import Callable

import docker

from bench.contenders import SETTLED, Times, last_moment
from bench.stage import Stage, Standalone, built, running

MANY = 200
WITHIN = 600.0
"""Seconds that a window of so many services may take."""


def race(engine: docker.APIClient, count: int, rounds: int) -> dict[str, Times]:
    """Seconds of opening and closing `count` services, by contender; each round on fresh projects."""
    names = [f"m{number:03}" for number in range(1, count + 1)]
    ours: Times = {"open": [], "close": []}
    theirs: Times = {"open": [], "close": []}
    with built(names) as stage, running(stage) as standalone:
        for _ in range(rounds):
            _window(stage, standalone, engine, names, ours)
            _by_hand(stage, engine, theirs)
    return {"windows": ours, "compose": theirs}


def _window(
    stage: Stage, standalone: Standalone, engine: docker.APIClient, names: list[str], times: Times
) -> None:
    began = time.time()
    window: str = standalone.open(names)["id"]
    standalone.until(window, "open", WITHIN)
    times["open"].append(last_moment(engine, stage.name, "StartedAt") - began)
    time.sleep(SETTLED)
    began = time.time()
    standalone.close(window)
    standalone.until(window, "closed", WITHIN)
    times["close"].append(last_moment(engine, stage.name, "FinishedAt") - began)
    stage.down(stage.name)


def _by_hand(stage: Stage, engine: docker.APIClient, times: Times) -> None:
    project = stage.serial

    def timed(what: str, moment: str, run: Callable[[], None]) -> None:
        began = time.time()
        run()
        times[what].append(last_moment(engine, project, moment) - began)

    timed("open", "StartedAt", lambda: stage.compose(project, "up", "-d"))
    time.sleep(SETTLED)
    timed("close", "FinishedAt", lambda: stage.compose(project, "stop"))
    stage.down(project)
