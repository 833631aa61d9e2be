"""`python -m chaos`: stage a fault run, leave its JSON, and exit with 1 if anything that must hold broke."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from pathlib import Path

from chaos import report, run
from chaos.system import Failed


def main() -> int:
    options = _options()
    # Being asked to stop is a way out like any other: processes, mounts and containers go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run.say(f"seed {options.seed}, {options.windows} windows")
    try:
        result = run.play(options.seed, options.windows, options.patience)
    except Failed as reason:
        run.say(f"the run could not be staged: {reason}")
        return 2
    except KeyboardInterrupt:
        return 130
    results = result.as_json()
    report.write(results, options.out)
    if options.page:
        report.record(results)
    run.say(_verdict(results, options.out))
    return 1 if result.broken else 0


def _verdict(results: report.Json, out: Path) -> str:
    lines = {broken["line"] for broken in results["broken"]}
    held = "all eight lines hold" if not lines else f"BROKEN: line {', '.join(map(str, sorted(lines)))}"
    return (
        f"seed {results['seed']}: {results['windows']} windows, {results['kills']} kills, worst off "
        f"{results['worst_off_s']} s, late {results['late_ms']}, in {results['seconds']} s: {held} ({out})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="default: a new one")
    parser.add_argument("--windows", type=int, default=300)
    parser.add_argument("--out", type=Path, default=report.OUT, help="where the JSON goes")
    parser.add_argument("--page", action="store_true", help="put a row into docs/reliability.md too")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="stretches what is about promptness, for a busy machine"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
