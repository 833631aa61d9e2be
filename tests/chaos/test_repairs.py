"""A fault run finds what a worker's log says of repairs, and excuses those near an outage."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import checks
from chaos.evidence import UNNOTICED, Evidence, Repair, repairs
from chaos.outages import Outage, Outages


def evidence(*outages: Outage) -> Evidence:
    recorded = Outages()
    recorded.all += outages
    return Evidence(0.0, recorded, repairs=[Repair(100.0, "a1", "stack alpha: plain from on to off")])


def test_a_repair_with_everything_in_order_is_broken() -> None:
    (broken,) = checks.all_of(evidence(), 1.0)

    assert (broken.line, broken.what) == (7, "only a repair has noticed a change of alpha")


@pytest.mark.parametrize("target", ["a1", "engine.a", "database", "wire engine.a:a1", "broker"])
def test_a_repair_after_an_outage_is_excused(target: str) -> None:
    assert checks.all_of(evidence(Outage(target, "cut", 80.0, 95.0)), 1.0) == []
    assert len(checks.all_of(evidence(Outage(target, "cut", 60.0, 80.0)), 1.0)) == 1


def test_an_outage_of_another_engine_excuses_nothing() -> None:
    assert len(checks.all_of(evidence(Outage("engine.b", "cut", 80.0, 95.0)), 1.0)) == 1


def test_the_log_of_a_worker_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a1.log"
    log.write_text(f"[2026-01-02 03:04:05,678: WARNING/MainProcess] {UNNOTICED}stack alpha: x\nelse\n")

    (repair,) = repairs("a1", log)

    assert (repair.worker, repair.what, repair.stack) == ("a1", "stack alpha: x", "alpha")
    assert repairs("a1", tmp_path / "none.log") == []
