"""The long form: `make model`, or `STEPS=50000 SEED=7 make model`.

Runs with increasing seeds until STEPS steps are done. A failure is printed with its steps
and with the seed that repeats it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from typing import Any, cast

from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.databases import Databases
from tests.model import interruptions, kill_everywhere
from tests.model.environment import Environment, prepare_environment
from tests.model.machine import Machine
from tests.model.test_windows import settings_for

EXAMPLES, LENGTH = 10, 50
ONE_IN = 8
"""One seed in this many runs on PostgreSQL."""


def main() -> int:
    """Run until STEPS are done; return 1 if a check failed."""
    steps, number = int(os.environ.get("STEPS") or 10_000), int(os.environ.get("SEED") or 1)
    logging.getLogger().setLevel(logging.ERROR)
    databases, began, first = Databases(), time.monotonic(), number
    try:
        with (
            prepare_environment(databases, "sqlite") as small,
            prepare_environment(databases, "postgres") as large,
        ):
            _kill_everywhere(small, began)
            while small.steps + large.steps < steps:
                where = large if number % ONE_IN == 0 else small
                if not _run_seed(where, number):
                    return 1
                number += 1
                took = time.monotonic() - began
                print(f"seed {number - 1}: {small.steps + large.steps} steps in {took:.0f} s", flush=True)
            _print_summary(small, large, f"seeds {first} to {number - 1}, {time.monotonic() - began:.0f} s")
    finally:
        databases.stop()
    return 0


def _kill_everywhere(small: Environment, began: float) -> None:
    places = list(kill_everywhere.every_kill(small))
    for number, (scenario, where) in enumerate(places):
        kill_everywhere.kill_at(small, [where], scenario)
        if number % 100 == 99:
            print(f"killed at {number + 1} of the {len(places)} statements of all scenarios", flush=True)
    took = time.monotonic() - began
    print(f"killed at each of the {len(places)} statements of all scenarios, in {took:.0f} s", flush=True)


def _run_seed(where: Environment, number: int) -> bool:
    form = settings(settings_for(EXAMPLES, LENGTH), derandomize=False, phases=(Phase.generate,))
    try:
        # Hypothesis seeds what it is given, which otherwise would be a class.
        factory = seed(number)(cast(Any, lambda: Machine(where)))
        run_state_machine_as_test(factory, settings=form)
    except Exception:
        logging.exception("seed %d broke a rule; repeat it with SEED=%d STEPS=1 make model", number, number)
        return False
    return True


def _print_summary(small: Environment, large: Environment, how: str) -> None:
    runs = small.runs + large.runs
    print(f"model: {small.steps} steps on SQLite, {large.steps} on PostgreSQL, {runs} runs; {how}")
    counts = Counter[str]()
    for where in (small, large):
        counts.update(where.counts)
    print("windows: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))
    hit = interruptions.Interruptible.hit
    print(f"killed {sum(hit.values())} times, at {len(hit)} different statements:")
    for name in (*interruptions.WEB_FILES, *interruptions.WORKER_FILES):
        places = set(interruptions.statements((name,)))
        killed, reached = hit.keys() & places, interruptions.Interruptible.reached.keys() & places
        print(f"  {name}: {len(killed)} of {len(reached)} reached, of {len(places)}")


if __name__ == "__main__":
    sys.exit(main())
