"""`make engines`: the main flow and tests/engine on every release of Docker that is supported.

make engines                            # all of them
make engines ENGINES="26.1 28.5"        # some releases
make engines TESTS="tests/engine/test_main_flow.py"
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable

from tests.engine import roots
from tests.matrix.runs import TARGETS, Result, Target, run


def main(releases: list[str], tests: list[str]) -> int:
    """Test on each engine and print a table; 1 where a test failed, 2 for a release that is not known."""
    if unknown := [release for release in releases if release not in roots.SUITES]:
        print(
            f"engines: {', '.join(unknown)} is not known; known are {', '.join(roots.SUITES)}",
            file=sys.stderr,
        )
        return 2
    if os.geteuid() != 0:
        print(
            "engines: engines of other releases are started in namespaces: run this as root", file=sys.stderr
        )
        return 3
    targets = [target for target in TARGETS if not releases or target.release in releases]
    results = [_tested(target, tests) for target in targets]
    print("\n".join(table(results)))
    return 0 if all(result.ok for result in results) else 1


def _tested(target: Target, tests: list[str]) -> Result:
    print(f"\nengines: Docker {target}", flush=True)
    result = run(target, tests, echo=True)
    if result.output:
        print(result.output, file=sys.stderr, flush=True)
    return result


def table(results: Iterable[Result]) -> list[str]:
    """A line per engine: its release, what it says of itself, and how the tests went."""
    head = ("Docker", "the engine says", "passed", "failed", "skipped", "seconds", "")
    rows = [head, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(result: Result) -> tuple[str, ...]:
    numbers = (result.passed, result.failed, result.skipped, round(result.seconds))
    return str(result.target), result.engine, *map(str, numbers), "ok" if result.ok else "FAILED"


if __name__ == "__main__":
    # So that the engine and its tests are ended in good order then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:], os.environ.get("TESTS", "").split() or ["-q", "tests/engine"]))
