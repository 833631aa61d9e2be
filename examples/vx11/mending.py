"""The part of `make conduct` in which a diagnosis names a cause, and its patch cures it.

A copy of examples/mend is built, fails, is diagnosed, patched and built again, and passes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from examples.vx11 import stage
from examples.vx11.narration import Narrator
from examples.vx11.stage import Standalone, expect

SOURCE = Path(__file__).resolve().parents[1] / "mend"
SERVICES = ("switch", "hermes")
MISSING = "No module named 'switch'"
Report = dict[str, Any]


class Mend:
    """A copy of the example in a folder of its own, with its Compose project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def config(self) -> Path:
        """The copy's power.toml."""
        return self.folder / "power.toml"

    def section(self) -> str:
        """The copy's section of a power.toml that lies elsewhere."""
        return self.config.read_text().replace(
            'directory = "."', f"directory = {json.dumps(str(self.folder))}"
        )

    def build(self) -> None:
        """Build the image of both services, as their owner would."""
        self._compose("build", *SERVICES)

    def remove(self) -> None:
        """Remove the project's containers and images."""
        self._compose("down", "--rmi", "local", "--timeout", "3")

    def apply(self, patch: Path) -> None:
        """Apply a patch to the copy's files."""
        run = subprocess.run(
            ["git", "apply", str(patch)], cwd=self.folder, capture_output=True, text=True, check=False
        )
        expect(run.returncode == 0, f"git apply {patch.name}: {run.stderr}")

    def _compose(self, *words: str) -> None:
        command = [stage.COMPOSE[0], "-p", "mend", *words]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        expect(run.returncode == 0, f"docker compose {' '.join(words)}: exit {run.returncode}: {run.stderr}")


def diagnose(tell: Narrator, standalone: Standalone, mend: Mend, *words: str) -> str:
    """Run `power diagnose hermes` in the copy's folder; return what it prints."""
    tell.say(f"power diagnose hermes {' '.join(words)}", "cyan")
    command = [stage.POWER, "diagnose", "hermes", "-s", "mend", "--config", str(mend.config), *words]
    run = subprocess.run(
        command,
        cwd=mend.folder,
        env=standalone.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    expect(run.returncode == 0, f"power diagnose: exit {run.returncode}: {run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def mend_it(tell: Narrator, standalone: Standalone, mend: Mend) -> None:
    """Let the diagnosis name the cause and prove its patch; apply the patch and build again."""
    tell.plain(diagnose(tell, standalone, mend))
    tell.plain(diagnose(tell, standalone, mend, "--verify"))
    diagnose(tell, standalone, mend, "--apply")
    (patch,) = mend.folder.glob("*.patch")
    mend.apply(patch)
    tell.plain(patch.read_text())
    mend.build()
    tell.good(f"{patch.name} is applied, and the image is built again")


def expect_cause(report: Report) -> None:
    """Raise NotAsPromised unless the report says that the module is missing, of both services."""
    named = {one["service"]: " ".join(one["evidence"]) for one in report["causes"]}
    expect(
        all(MISSING in named.get(service, "") for service in SERVICES),
        f"expected the cause {MISSING!r} of {SERVICES}, got {report['causes']}",
    )
