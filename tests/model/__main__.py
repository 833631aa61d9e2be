"""The long form: `make model`, or `STEPS=50000 SEED=7 make model`.

Run after run with seeds that follow on each other, until so many steps are done. What
fails is shown as it went, with the seed that found it.
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
from tests.model import crashes, everywhere
from tests.model.machine import Machine, Stage
from tests.model.stage import stage
from tests.model.test_windows import settings_for

EXAMPLES, LENGTH = 10, 50
ONE_IN = 8
"""Of so many seeds, one plays on PostgreSQL."""


def main() -> int:
    """Play until STEPS are done; 1 where anything broke."""
    steps, number = int(os.environ.get("STEPS") or 10_000), int(os.environ.get("SEED") or 1)
    logging.getLogger().setLevel(logging.ERROR)
    databases, began, first = Databases(), time.monotonic(), number
    try:
        with stage(databases, "sqlite") as small, stage(databases, "postgres") as large:
            _everywhere(small, began)
            while small.steps + large.steps < steps:
                where = large if number % ONE_IN == 0 else small
                if not _played(where, number):
                    return 1
                number += 1
                took = time.monotonic() - began
                print(f"seed {number - 1}: {small.steps + large.steps} steps in {took:.0f} s", flush=True)
            _tell(small, large, f"seeds {first} to {number - 1}, {time.monotonic() - began:.0f} s")
    finally:
        databases.stop()
    return 0


def _everywhere(small: Stage, began: float) -> None:
    places = list(everywhere.all_of_it(small))
    for number, (life, where) in enumerate(places):
        everywhere.killed_at(small, [where], life)
        if number % 100 == 99:
            print(f"killed at {number + 1} of the {len(places)} statements of all lives", flush=True)
    took = time.monotonic() - began
    print(f"killed at each of the {len(places)} statements of all lives, in {took:.0f} s", flush=True)


def _played(where: Stage, number: int) -> bool:
    form = settings(settings_for(EXAMPLES, LENGTH), derandomize=False, phases=(Phase.generate,))
    try:
        # Hypothesis seeds what it is given, which otherwise would be a class.
        factory = seed(number)(cast(Any, lambda: Machine(where)))
        run_state_machine_as_test(factory, settings=form)
    except Exception:
        logging.exception(
            "seed %d broke what must hold; repeat it with SEED=%d STEPS=1 make model", number, number
        )
        return False
    return True


def _tell(small: Stage, large: Stage, how: str) -> None:
    runs = small.runs + large.runs
    print(f"model: {small.steps} steps on SQLite, {large.steps} on PostgreSQL, {runs} runs; {how}")
    seen = Counter[str]()
    for where in (small, large):
        seen.update(where.seen)
    print("windows: " + ", ".join(f"{count} {what}" for what, count in seen.most_common()))
    hit = crashes.Interrupted.hit
    print(f"killed {sum(hit.values())} times, at {len(hit)} different statements:")
    for name in (*crashes.FRONT, *crashes.HANDS):
        known = set(crashes.statements((name,)))
        killed, reached = hit.keys() & known, crashes.Interrupted.reached.keys() & known
        print(f"  {name}: {len(killed)} of {len(reached)} reached, of {len(known)}")


if __name__ == "__main__":
    sys.exit(main())
