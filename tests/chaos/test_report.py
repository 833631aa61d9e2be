"""The table of runs is written by the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaos import report


def found(seed: int, **more: Any) -> dict[str, Any]:
    lags = {"p50": 12, "p99": 40, "max": 41, "n": 9}
    result = {"seed": seed, "windows": 300, "kills": 156, "broken": [], "worst_off_s": 2.31}
    faults = {"kill front": 12, "freeze a1": 5, "cut broker": 2, "half-open database": 1, "fill broker": 3}
    return result | {"late_ms": lags, "late_in_trouble_ms": lags, "faults": faults} | more


def test_a_run_replaces_its_own_row_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("before\n<!-- runs -->\n<!-- end of runs -->\nafter\n")

    for one in (found(7, kills=1), found(3), found(7)):
        report.record(one, page)

    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {seed} | 300 | 156 | 5 | 3 | 3 | 0 | 2.3 s | 12 / 40 ms | 12 / 40 ms | 0 |" for seed in (3, 7)
    ]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")


def test_a_run_without_undisturbed_deadlines_says_so(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("<!-- runs --><!-- end of runs -->")

    report.record(found(1, late_ms={"p50": None, "p99": None, "max": None, "n": 0}), page)

    assert "| none | 12 / 40 ms |" in page.read_text()
