"""`python -m chaos.soak`: thousands of short windows on one standalone; does its memory or database grow?

Several windows at a time are opened on eight services, some of them on services that
others hold, and end by their deadline or by a close. Meanwhile the memory of each
process (PSS) and the size of the database are sampled. The run ends after so many
windows or seconds, whichever comes first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from app.host import processes
from bench.stage import SERVICES, Failed, Stage, Standalone, built, running

Json = dict[str, Any]
HERE = Path(__file__).parent.parent
OUT = HERE / "bench" / "out" / "soak.json"
PAGE = HERE / "docs" / "reliability.md"
_BEGIN, _END = "<!-- soak -->", "<!-- end of soak -->"
LANES = 16
"""Windows at the same time; two for each service."""
SAMPLES = 60
"""Samples of memory that a run takes at least."""
LEVEL = 1.10
"""What uses no more than this many times as much at the end as after its warm-up is level."""
PARTS = {"celery": "worker", "gunicorn": "web", "beat": "beat", "valkey": "broker", "redis": "broker"}


@dataclass
class Soak:
    """What a run has seen so far."""

    seed: int
    planned: int
    seconds: float = 0.0
    windows: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    not_closed: list[str] = field(default_factory=list)
    samples: list[Json] = field(default_factory=list)
    """Each with the windows closed so far, MiB by part, and KiB of the database."""

    def growth(self, part: str) -> tuple[float, float]:
        """MiB of one part after its warm-up and at the end: medians of the second and the last fifth."""
        measured = [sample["mib"][part] for sample in self.samples if part in sample["mib"]]
        fifth = max(1, len(measured) // 5)
        return median(measured[fifth : 2 * fifth] or measured), median(measured[-fifth:])

    def parts(self) -> list[str]:
        return sorted({part for sample in self.samples for part in sample["mib"]})

    def kib_per_window(self) -> float:
        """What a window adds to the database, from the second fifth of the run to its end."""
        early, last = self.samples[len(self.samples) // 5], self.samples[-1]
        windows = last["windows"] - early["windows"]
        return (last["database_kib"] - early["database_kib"]) / windows if windows else 0.0

    def growing(self) -> list[str]:
        return [part for part in self.parts() if (of := self.growth(part))[1] > of[0] * LEVEL]

    def as_json(self) -> Json:
        return {
            "seed": self.seed,
            "planned": self.planned,
            "windows": self.windows,
            "seconds": round(self.seconds),
            "outcomes": dict(sorted(self.outcomes.items())),
            "not_closed": self.not_closed,
            "mib": {part: [round(mib, 1) for mib in self.growth(part)] for part in self.parts()},
            "database_kib_per_window": round(self.kib_per_window(), 2),
            "growing": self.growing(),
            "samples": self.samples,
        }


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    soak = Soak(options.seed, options.windows)
    try:
        with built() as stage, running(stage) as standalone:
            play(soak, stage, standalone, options.seconds)
    except (Failed, httpx.HTTPError) as reason:
        say(f"the run could not go on: {reason or repr(reason)}")
        return 2
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(soak.as_json(), indent=1) + "\n")
    if options.page:
        record(soak)
    say(verdict(soak))
    return 1 if soak.growing() or soak.not_closed else 0


def play(soak: Soak, stage: Stage, standalone: Standalone, seconds: float) -> None:
    """Open and close windows until there were enough or the time is up, and sample meanwhile."""
    began, turns, over = time.monotonic(), itertools.count(), threading.Event()
    lock = threading.Lock()

    def lane(number: int) -> None:
        rng = random.Random(soak.seed * 1000 + number)
        with httpx.Client(
            base_url=standalone.api.base_url, headers=standalone.api.headers, timeout=70
        ) as api:
            while next(turns) < soak.planned and time.monotonic() - began < seconds and not over.is_set():
                window = _live(api, rng)
                with lock:
                    _count(soak, window)

    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(lane, number) for number in range(LANES)]
        every = max(2.0, min(seconds / SAMPLES, 20.0))
        while not all(one.done() for one in lanes):
            soak.seconds = time.monotonic() - began
            with lock:
                soak.samples.append(_sample(soak.windows, stage, standalone))
            say(_line(soak))
            over.wait(every)
        for one in lanes:
            one.result()
    soak.seconds = time.monotonic() - began
    soak.samples.append(_sample(soak.windows, stage, standalone))


def _live(api: httpx.Client, rng: random.Random) -> Json:
    """One window of a few seconds, from its opening to its end."""
    services = rng.sample(SERVICES, rng.choice((1, 1, 2, 3)))
    window = _asked(api.post("/windows", json={"services": services, "ttl_sec": rng.uniform(3, 6)}))
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0.5, 3))
        window = _asked(api.post(f"/windows/{window['id']}/close", json={}))
    end = time.monotonic() + 60
    while window["state"] != "closed" and time.monotonic() < end:
        time.sleep(0.4)
        window = _asked(api.get(f"/windows/{window['id']}"))
    return window


def _asked(reply: httpx.Response) -> Json:
    if not reply.is_success:
        raise Failed(f"{reply.request.method} {reply.request.url}: {reply.status_code}: {reply.text}")
    body: Json = reply.json()
    return body


def _count(soak: Soak, window: Json) -> None:
    soak.windows += 1
    outcome = window["status"] or "ended"
    soak.outcomes[outcome] = soak.outcomes.get(outcome, 0) + 1
    if window["state"] != "closed":
        soak.not_closed.append(window["id"])


def _sample(windows: int, stage: Stage, standalone: Standalone) -> Json:
    files = (stage.folder / "data").glob("*.db*")
    # What the write-ahead log holds goes into the database later; both count.
    kib = sum(path.stat().st_size for path in files) / 1024
    return {"windows": windows, "mib": dict(_memory(standalone.process.pid)), "database_kib": round(kib)}


def _memory(standalone: int) -> Iterator[tuple[str, float]]:
    """MiB of each part of a standalone: its own share of what it maps, with that of its processes."""
    mebibytes: dict[str, float] = {}
    for pid in {standalone, *(one.pid for one in processes.descendants(standalone))}:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            pss = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # It has ended meanwhile.
        if part := "supervisor" if pid == standalone else _part(words):
            kib = next(int(line.split()[1]) for line in pss.splitlines() if line.startswith("Pss:"))
            mebibytes[part] = mebibytes.get(part, 0.0) + kib / 1024
    return iter(sorted(mebibytes.items()))


def _part(words: list[str]) -> str:
    command_line = " ".join(words)
    if "compose" in command_line:
        return ""  # A call, which lasts a moment.
    if "beat" in words:
        return "beat"
    return next((part for name, part in PARTS.items() if name in command_line), "")


def verdict(soak: Soak) -> str:
    growing = soak.growing()
    parts = ", ".join(
        f"{part} {a:.0f} -> {b:.0f} MiB" for part in soak.parts() for a, b in [soak.growth(part)]
    )
    trend = f"growing: {', '.join(growing)}" if growing else "level"
    return (
        f"{soak.windows} windows in {soak.seconds:.0f} s: {parts}; "
        f"{soak.kib_per_window():.1f} KiB of database a window; {trend}"
    )


def _line(soak: Soak) -> str:
    last = soak.samples[-1]
    parts = ", ".join(f"{part} {mib:.1f}" for part, mib in last["mib"].items())
    done = f"{soak.windows}/{soak.planned} windows, {soak.seconds:.0f} s"
    return f"{done}: {parts} MiB, {last['database_kib']} KiB"


def record(soak: Soak, page: Path = PAGE) -> None:
    """Put the run's figures into the page, in place of those of the run before."""
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise Failed(f"{page} has no place for the figures: {_BEGIN} … {_END}")
    rows = [f"| {part} | {a:.1f} | {b:.1f} |" for part in soak.parts() for a, b in [soak.growth(part)]]
    table = "\n".join(["| process | MiB (PSS) after warm-up | MiB at the end |", "|---|---|---|", *rows])
    page.write_text(f"{before}{_BEGIN}\n\n{verdict(soak)}.\n\n{table}\n\n{_END}{after}")


def say(what: str) -> None:
    sys.stderr.write(f"soak: {what}\n")
    sys.stderr.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--windows", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=1800.0, help="no new window after so long")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1))
    parser.add_argument("--page", action="store_true", help="put the figures into docs/reliability.md too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
