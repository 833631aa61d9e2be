"""`python -m bench`: measure, print the table, leave the figures as JSON."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from statistics import median

import docker
import httpx

from bench import contenders, figures, many, moments, throttling
from bench.figures import Figure, Machine
from bench.stage import Failed, Stage, Standalone, built, engine, running
from workers.engine import compose_program

Figures = dict[str, Figure]


def main() -> int:
    options = _options()
    # Being asked to stop is a way out like any other: containers and processes go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load, client = os.getloadavg()[0], engine()
    results = figures.last() | {"machine": _machine(client).facts(load)}
    try:
        if options.only not in {"many", "throttle"}:
            with built() as stage, running(stage) as standalone:
                if options.rounds:
                    _race(stage, standalone, client, options, results)
                _lags(stage, standalone, client, options, results)
        if options.many:
            _many(client, options, results)
        if options.throttle_rounds:
            _throttle(options, results)
    except (Failed, httpx.HTTPError) as reason:
        sys.stderr.write(f"bench: {reason or repr(reason)}\n")
        return 1
    if options.page:
        figures.PAGE.write_text(figures.page(results))
    return 0


def _race(
    stage: Stage,
    standalone: Standalone,
    client: docker.APIClient,
    options: argparse.Namespace,
    results: Figures,
) -> None:
    _say(f"racing, {options.rounds} rounds")
    results |= figures.ratios(contenders.race(stage, standalone, client, options.rounds))
    results["dispatch_ms"] = figures.lags(moments.dispatch(standalone))
    _tell(results)


def _lags(
    stage: Stage,
    standalone: Standalone,
    client: docker.APIClient,
    options: argparse.Namespace,
    results: Figures,
) -> None:
    if options.windows:
        _say(f"{options.windows} deadlines, spread out")
        late = {"spread": figures.lags(moments.spread(standalone, options.windows))}
        _say(f"{options.windows} deadlines at once")
        late["at_once"] = figures.lags(moments.at_once(standalone, options.windows))
        results["expiry_late_ms"] = late
    if options.ready:
        _say(f"{options.ready} services getting healthy")
        lag = moments.ready_lag(standalone, client, stage.name, options.ready)
        results["ready_lag_ms"] = figures.lags(lag)
    if options.joins:
        _say(f"{options.joins} windows on services that run")
        results["join_ms"] = figures.lags(moments.join(standalone, options.joins))
    _tell(results)


def _many(client: docker.APIClient, options: argparse.Namespace, results: Figures) -> None:
    _say(f"{options.many} services at once, {options.many_rounds} rounds")
    times = many.race(client, options.many, options.many_rounds)
    results |= {
        key: one | {"services": options.many} for key, one in figures.ratios(times, figures.MANY).items()
    }
    _tell(results)


def _throttle(options: argparse.Namespace, results: Figures) -> None:
    _say(f"starts at once, {options.throttle_rounds} rounds on a quiet and on a busy host")
    times = throttling.race(options.throttle_rounds)
    results["throttle_s"] = {
        host: {name: round(median(seconds), 2) for name, seconds in contenders.items()}
        for host, contenders in times.items()
    }
    results |= figures.ratios(throttling.against_best(times), figures.THROTTLE)
    _tell(results)


def _tell(results: Figures) -> None:
    """What is known so far, so that a run that is cut short has not been for nothing."""
    figures.write(results)
    sys.stdout.write(figures.table(results) + "\n\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds of the race that count (default 7; 0: none)"
    )
    parser.add_argument(
        "--windows", type=int, default=200, help="deadlines of each kind (default 200; 0: none)"
    )
    parser.add_argument(
        "--ready", type=int, default=15, help="services seen to healthy (default 15; 0: none)"
    )
    parser.add_argument(
        "--joins", type=int, default=100, help="windows on services that run (default 100; 0: none)"
    )
    parser.add_argument(
        "--many", type=int, default=many.MANY, help="services opened at once (default 200; 0: none)"
    )
    parser.add_argument("--many-rounds", type=int, default=1, help="rounds of that (default 1)")
    parser.add_argument(
        "--throttle-rounds", type=int, default=3, help="rounds of starts at once (default 3; 0: none)"
    )
    parser.add_argument("--only", choices=["join", "many", "throttle"], help="measure this alone")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md too")
    options = parser.parse_args()
    if options.only:
        options.rounds = options.windows = options.ready = 0
    if options.only in {"join", "throttle"}:
        options.many = 0
    if options.only in {"join", "many"}:
        options.throttle_rounds = 0
    if options.only == "throttle":
        options.joins = 0
    return options


def _machine(client: docker.APIClient) -> Machine:
    version = [*compose_program.program(), "version", "--short"]
    version_line = subprocess.run(version, capture_output=True, text=True, check=False).stdout.strip()
    return Machine(str(client.version()["Version"]), version_line)


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
