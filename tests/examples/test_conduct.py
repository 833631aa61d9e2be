"""`make conduct`: one scenario fails for the reason that is named, the other passes; both reports say so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings.scenario_toml import parse_scenario, read_scenario

HERE = Path(__file__).parents[2]
FILES = {"report.md", "report.json", "report.html", "junit.xml"}
OF_THE_MACHINE = re.compile(r"(?<!srv)/(?:home|root|tmp|work|var|usr|etc)/")
"""Paths of a host; those in a container of the example begin with /srv."""


@pytest.mark.integration
def test_both_scenarios_end_as_promised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.vx11.conduct", str(tmp_path)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = {}
    for name in ("vx11-crash", "vx11-cycle"):
        place = tmp_path / name
        assert {one.name for one in place.iterdir()} == FILES
        report = json.loads((place / "report.json").read_text())
        assert report["proof"]["only_core"]
        outcomes[name] = report["run"]["outcome"]
        assert not any(OF_THE_MACHINE.search(one.read_text()) for one in place.iterdir())
    assert outcomes == {"vx11-crash": "failed", "vx11-cycle": "passed"}


@pytest.mark.parametrize("name", ["crash", "cycle"])
def test_the_scenarios_are_read_and_their_reports_are_in_the_repository(name: str) -> None:
    path = HERE / "examples/vx11" / f"{name}.toml"
    scenario = parse_scenario(read_scenario(path), str(path))
    place = HERE / "docs/audit" / scenario.name
    assert {one.name for one in place.iterdir()} == FILES
    assert not any(OF_THE_MACHINE.search(one.read_text()) for one in place.iterdir())
