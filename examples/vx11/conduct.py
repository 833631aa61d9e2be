"""`make conduct`: two scenarios over the example stack, one that fails and one that passes.

Their reports go to docs/audit, and replace those of the run before. Anything that deviates from what is
promised ends it with the reason and exit code 1.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from examples.vx11 import image, stage
from examples.vx11.demo import bring_core_up, image_is_there, leave, refuse_company, show_log
from examples.vx11.narration import Narrator
from examples.vx11.stage import Standalone, expect

REPORTS = Path(__file__).resolve().parents[2] / "docs" / "audit"
Report = dict[str, Any]
CRASH = "No module named 'switch'"


def main(reports: Path = REPORTS) -> int:
    """Run both scenarios, and leave the machine as it was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tell = Narrator()
    folder = Path(tempfile.mkdtemp(prefix="power-conduct-"))
    try:
        refuse_company()
        with stage.swept():
            conduct_both(tell, folder / "data", reports)
    except (stage.NotAsPromised, image.CannotBuild, httpx.HTTPError) as reason:
        tell.bad(str(reason) or repr(reason))
        show_log(tell, folder / "data.log")
        return 1
    shutil.rmtree(folder)
    tell.step("Done: the example's containers are gone too")
    return 0


def conduct_both(tell: Narrator, data_dir: Path, reports: Path) -> None:
    """Conduct the scenario that fails, then the one that passes."""
    image_is_there(tell)
    bring_core_up(tell)
    tell.step("Start Power Windows")
    with stage.start(data_dir) as standalone:
        standalone.until_ready()
        tell.good(f"ready at {standalone.url}")
        tell.step("A run with a service that lacks a module: it fails, and says why")
        failed = conduct(tell, standalone, "crash", reports, expected=1)
        expect(CRASH in failed["failed_first"]["detail"], f"expected {CRASH}, got {failed['failed_first']}")
        tell.good(f"what failed first: {failed['failed_first']['what']}: {CRASH}")
        cause = failed["causes"][0]
        expect(CRASH in " ".join(cause["evidence"]), f"expected evidence of {CRASH}, got {cause}")
        tell.good(f"what the diagnosis says: {cause['title']}")
        tell.step("A whole cycle with new containers: every step passes, and only core is left")
        passed = conduct(tell, standalone, "cycle", reports, expected=0)
        for report in (failed, passed):
            expect(report["proof"]["only_core"], f"expected that only core runs, got {report['proof']}")
        expect(stage.running() == set(stage.CORE), f"the engine runs {sorted(stage.running())}")
        tell.good(passed["proof"]["detail"])
        leave(tell, standalone)


def conduct(tell: Narrator, standalone: Standalone, name: str, reports: Path, *, expected: int) -> Report:
    """Run one scenario with the command; return its report."""
    place = reports / f"vx11-{name}"
    shutil.rmtree(
        place, ignore_errors=True
    )  # A report that could not be written must not look like this run's.
    tell.say(f"power conduct examples/vx11/{name}.toml --out docs/audit/vx11-{name}", "cyan")
    command = [stage.POWER, "conduct", str(stage.HERE / f"{name}.toml"), "--out", str(place)]
    run = subprocess.run(
        command, env=standalone.environment, capture_output=True, text=True, check=False, timeout=300
    )
    tell.plain(run.stdout.partition("report: ")[0])
    expect(run.returncode == expected, f"power conduct: exit {run.returncode}: {run.stdout}{run.stderr}")
    expect((place / "report.json").is_file(), f"power conduct wrote no report: {run.stdout}{run.stderr}")
    report: Report = json.loads((place / "report.json").read_text())
    return report


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
