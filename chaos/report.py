"""What is left of a run: one JSON file, and one row of the table in docs/reliability.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
HERE = Path(__file__).parent.parent
OUT = HERE / "bench" / "out" / "chaos.json"
PAGE = HERE / "docs" / "reliability.md"
_BEGIN, _END = "<!-- runs -->", "<!-- end of runs -->"
_HEAD = (
    "| seed | windows | kills | freezes | cuts | full disks | forgeries "
    "| worst off | late p50 / p99 | late during faults p50 / p99 | broken |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def write(results: Json, out: Path = OUT) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")


def record(results: Json, page: Path = PAGE) -> None:
    """Put a run's row into the page, in place of an earlier one of the same seed and length."""
    before, _, rest = page.read_text().partition(_BEGIN)
    inside, _, after = rest.partition(_END)
    rows = [line for line in inside.splitlines() if line.startswith("| ") and line not in _HEAD]
    mine = _row(results)
    other_rows = [row for row in rows if _key(row) != _key(mine)]
    table = "\n".join([*_HEAD, *sorted([*other_rows, mine], key=_key)])
    page.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}")


def _key(row: str) -> tuple[int, int]:
    cells = [cell.strip() for cell in row.split("|")]
    return int(cells[1]), int(cells[2])


def _row(results: Json) -> str:
    cells = [
        results["seed"],
        results["windows"],
        results["kills"],
        _count(results, "freeze"),
        _count(results, "cut", "silence", "half-open"),
        _count(results, "fill"),
        _count(results, "forge"),
        f"{results['worst_off_s']:.1f} s",
        _lag(results["late_ms"]),
        _lag(results["late_in_trouble_ms"]),
        len(results["broken"]),
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _count(results: Json, *kinds: str) -> int:
    return sum(count for fault, count in results["faults"].items() if fault.split()[0] in kinds)


def _lag(lags: Json) -> str:
    return f"{lags['p50']} / {lags['p99']} ms" if lags["n"] else "none"
