"""Figures as they are told: a table for people, JSON for machines, a page for the documentation."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

OUT = Path(__file__).with_name("out") / "latest.json"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

Figure = dict[str, Any]
Times = Mapping[str, Mapping[str, Sequence[float]]]

RATIOS = {
    "open8_vs_engine": ("open", "engine", "POST to 8 running ÷ network and 8 concurrent create+start"),
    "open8_vs_serial": ("open", "serial", "POST to 8 running ÷ one `up -d` after another"),
    "reopen8_vs_engine": ("reopen", "engine", "POST to 8 running, created before ÷ 8 concurrent starts"),
    "close8_vs_engine": ("close", "engine", "POST close to 8 stopped ÷ 8 concurrent stops"),
}
MANY = {
    "open200_vs_up": ("open", "compose", "POST to all of many services running ÷ one `docker compose up -d`"),
    "close200_vs_stop": ("close", "compose", "POST close to all of them stopped ÷ one `docker compose stop`"),
}
THROTTLE = {
    "throttle_quiet_vs_best": (
        "quiet",
        "best",
        "starts at once by the host ÷ the best fixed number (1, 2, 4, 8, 16, unbounded)",
    ),
    "throttle_busy_vs_best": ("busy", "best", "the same while two processes for each core compute"),
}
LAGS = {
    "expiry_late_ms": "deadline to first stop call",
    "dispatch_ms": "window accepted to first call",
    "ready_lag_ms": "healthy (engine) to window open",
    "join_ms": "second window on services that run: POST accepted to open (p99 at most 1000)",
}


def ratios(times: Times, keys: Mapping[str, tuple[str, str, str]] = RATIOS) -> dict[str, Figure]:
    """Every ratio with both medians, in milliseconds, and how many times each was measured."""
    return {key: _ratio(times["windows"][what], times[other][what]) for key, (what, other, _) in keys.items()}


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    return {
        "ratio": round(median(ours) / median(theirs), 2),
        "ours_ms": round(median(ours) * 1000),
        "theirs_ms": round(median(theirs) * 1000),
        "n": [len(ours), len(theirs)],
    }


def lags(milliseconds: Sequence[float]) -> Figure:
    """Percentiles of one kind of lag."""
    percentiles: Figure = {f"p{share}": round(percentile(milliseconds, share), 1) for share in (50, 95, 99)}
    return {**percentiles, "max": round(max(milliseconds), 1), "n": len(milliseconds)}


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that at least `share` percent of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


@dataclass(frozen=True)
class Machine:
    """Where it was measured, and how busy that was with other things."""

    engine: str
    compose: str

    def facts(self, load: float) -> Figure:
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "engine": self.engine,
            "compose": self.compose,
            "load_before": round(load, 2),
        }


def last() -> dict[str, Figure]:
    """The figures of the last run, so that one that measures less keeps the rest."""
    figures: dict[str, Figure] = json.loads(OUT.read_text()) if OUT.exists() else {}
    return figures


def write(figures: Mapping[str, Figure]) -> None:
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")


def table(figures: Mapping[str, Figure]) -> str:
    """All figures, one a line."""
    lines = [f"{'':<26}{'ratio':>7}{'ours':>10}{'theirs':>10}   n"]
    for key in (*RATIOS, *MANY, *THROTTLE):
        if one := figures.get(key):
            counts = "/".join(str(count) for count in one["n"])
            lines.append(
                f"{key:<26}{one['ratio']:>7.2f}{one['ours_ms']:>7} ms{one['theirs_ms']:>7} ms   {counts}"
            )
    lines += ["", f"{'milliseconds':<26}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}   n"]
    for key, one in _flat(figures):
        lines.append(
            f"{key:<26}{one['p50']:>9.1f}{one['p95']:>9.1f}{one['p99']:>9.1f}{one['max']:>9.1f}   {one['n']}"
        )
    return "\n".join(lines)


def _flat(figures: Mapping[str, Figure]) -> list[tuple[str, Figure]]:
    """Lags by name; those that were measured in two ways are two."""
    flat: list[tuple[str, Figure]] = []
    for key in LAGS:
        one = figures.get(key, {})
        kinds = [(f"{key} {kind}", one[kind]) for kind in ("spread", "at_once") if kind in one]
        flat += kinds or ([(key, one)] if one else [])
    return flat


def page(figures: Mapping[str, Figure]) -> str:
    """The documentation's page of this run."""
    where = figures["machine"]
    meanings = {key: text for key, (_, _, text) in (RATIOS | MANY | THROTTLE).items()} | LAGS
    explained = "\n".join(f"- `{key}`: {text}" for key, text in meanings.items() if key in figures)
    return _PAGE.format(table=table(figures), explained=explained, **where)


_PAGE = """# Performance

Written by `python -m bench --page`, from the run of {at}: {cores} cores, engine {engine}, Compose {compose},
Python {python}, load {load_before} before it began.

```
{table}
```

{explained}

## How it is measured

A `power standalone` is driven over REST. It starts and stops real containers on the engine of this machine:
eight services without a healthcheck that exit at once on TERM, in a project of the run's own. Ours and
theirs take turns within a round; the order changes from round to round. The first round is a warm-up and
does not count. A ratio is the quotient of two medians.

- Each is timed from the request to the time that the *engine* reports for its last container (StartedAt,
  FinishedAt).
- `_vs_engine`: eight concurrent requests to the Engine API, with no locks, no records and no labels. A
  first open also creates a network, because the window must create one.
- `_vs_serial`: `docker compose up -d SERVICE` eight times, on a project whose network is new as well.
- Lateness counts from a window's deadline to the record of the first stop call, which is made just before
  its process starts. *Spread*: windows that end one by one while others start. *At once*: windows that all
  end at the same moment, several on each service.

Run it yourself: `make bench`. The figures are also in `bench/out/latest.json`. When the machine is also
used for something else, the ratios change less than the absolute figures.
"""
