"""A short fault run: a dozen kills within the lives of eighteen windows, and all eight lines hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.report import HERE

pytestmark = pytest.mark.integration

SEED, WINDOWS = 2, 18
PATIENCE = 3.0
"""How much longer than promised things may take, on a machine that runs other tests too."""


def test_nothing_stays_on_whatever_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "chaos.json"
    words = ["--seed", str(SEED), "--windows", str(WINDOWS), "--patience", str(PATIENCE), "--out", str(out)]

    ran = subprocess.run(
        [sys.executable, "-m", "chaos", *words], cwd=HERE, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    result = json.loads(out.read_text())
    assert (result["seed"], result["windows"], result["broken"]) == (SEED, WINDOWS, [])
    assert result["kills"] >= 10
    # Where nothing had been on, its going off would prove nothing.
    assert result["outcomes"]["ok"] >= 1
