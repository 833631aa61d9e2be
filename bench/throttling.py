"""How many compose calls should run at once: fixed numbers against the limit that follows the host.

Each contender starts the same services by the worker's own queue and its own compose command, on a
quiet host and on one whose processors other processes use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import median

from app.domain.throttling import call_limit
from app.host.pressure import LoadReader
from bench.contenders import Times
from bench.stage import Stage, built
from workers.engine import compose
from workers.engine.compose import ComposeFiles
from workers.loops.call_throttle import READ_INTERVAL
from workers.state.concurrency import CallQueue, Limits, opening_limits, start_bounds

SERVICES = 24
FIXED = (1, 2, 4, 8, 16)
UNBOUNDED = 1000
ADAPTIVE = "adaptive"
HOGS_PER_CORE = 2
"""Processes for each core that compute all the time, on the busy host."""
WITHIN = 600.0
_HOG = "while True: pass"

Contender = Callable[[], CallQueue]


def contenders() -> dict[str, Contender]:
    """A queue of starts for each contender, made anew for each round."""
    fixed = {str(number): partial(_fixed, number) for number in FIXED}
    return {**fixed, "unbounded": partial(_fixed, UNBOUNDED), ADAPTIVE: _adaptive}


def _adaptive() -> CallQueue:
    """The worker's own queue, with the limit that it would have on this host now."""
    reader = LoadReader()
    reader.read()
    time.sleep(READ_INTERVAL)
    limits = opening_limits()
    return CallQueue("bench", replace(limits, starting=call_limit(start_bounds(), reader.read()).number))


def _fixed(number: int) -> CallQueue:
    return CallQueue("bench", Limits(number, number))


def race(rounds: int, count: int = SERVICES) -> dict[str, Times]:
    """Seconds until all services were started, by host (`quiet`, `busy`) and contender."""
    names = [f"t{number:02}" for number in range(count)]
    hosts = {"quiet": 0, "busy": HOGS_PER_CORE * (os.cpu_count() or 1)}
    times: dict[str, Times] = {host: {} for host in hosts}
    with built(names) as stage:
        for _ in range(rounds):
            for host, number in hosts.items():
                with hogs(number):
                    for contender, queue in contenders().items():
                        times[host].setdefault(contender, []).append(_time(stage, names, queue()))
                        stage.down(stage.name)
    return times


def against_best(times: Mapping[str, Times]) -> dict[str, Times]:
    """The adaptive limit's times on each host, and those of the fixed number that was best there."""
    fixed = {
        host: {name: taken for name, taken in contenders.items() if name != ADAPTIVE}
        for host, contenders in times.items()
    }
    best = {host: min(contenders.values(), key=median) for host, contenders in fixed.items()}
    return {"windows": {host: taken[ADAPTIVE] for host, taken in times.items()}, "best": best}


@contextmanager
def hogs(number: int) -> Iterator[None]:
    """Run so many processes that compute without end."""
    running = [subprocess.Popen([sys.executable, "-I", "-S", "-c", _HOG]) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _time(stage: Stage, names: Sequence[str], queue: CallQueue) -> float:
    place = ComposeFiles(stage.name, stage.folder, (stage.compose_file.name,))
    stage.compose(stage.name, "create", names[0])
    left, done = set(names), threading.Event()

    def start(name: str) -> None:
        compose.run(compose.up(place, name), WITHIN)
        left.discard(name)
        if not left:
            done.set()

    began = time.monotonic()
    for name in names:
        queue.submit(name, partial(start, name))
    done.wait(WITHIN)
    seconds = time.monotonic() - began
    queue.close(wait=True)
    return seconds
