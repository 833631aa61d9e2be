"""The unit for those who run it without containers: systemd itself reads it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "examples" / "systemd" / "power-windows.service"
COMMAND = "/opt/power-windows/.venv/bin/power"


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    subprocess.run([ROOT / "bin" / "packages", "systemd-analyze=systemd"], check=True)
    # It wants to see the command that the unit starts, and here that is this one.
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace(COMMAND, str(Path(sys.executable).with_name("power"))))

    analyzer = shutil.which("systemd-analyze")
    assert analyzer
    verified = subprocess.run([analyzer, "verify", here], capture_output=True, text=True, check=False)

    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr


def test_whatever_ends_it_is_started_again_and_ends_whole() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]

    assert (service["Restart"], service["KillMode"]) == ("always", "mixed")
    # Longer than the worker is given after the front and before the broker.
    assert int(service["TimeoutStopSec"]) > 60
    assert service["ExecStart"] == f"{COMMAND} standalone"
