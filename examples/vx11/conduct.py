"""`make conduct`: scenarios that fail and pass, and a failure that the diagnosis mends.

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
from examples.vx11.mending import Mend, expect_cause, mend_it
from examples.vx11.narration import Narrator
from examples.vx11.stage import Standalone, expect

HERE = stage.HERE
REPORTS = Path(__file__).resolve().parents[2] / "docs" / "audit"
Report = dict[str, Any]
CRASH = "No module named 'switch'"


def main(reports: Path = REPORTS) -> int:
    """Run all scenarios, and leave the machine as it was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tell = Narrator()
    folder = Path(tempfile.mkdtemp(prefix="power-conduct-"))
    try:
        refuse_company()
        with stage.swept():
            conduct_all(tell, folder, reports)
    except (stage.NotAsPromised, image.CannotBuild, httpx.HTTPError) as reason:
        tell.bad(str(reason) or repr(reason))
        show_log(tell, folder / "data.log")
        return 1
    shutil.rmtree(folder)
    tell.step("Done: the example's containers are gone too")
    return 0


def conduct_all(tell: Narrator, folder: Path, reports: Path) -> None:
    """Conduct a scenario that fails and one that passes, then one that is mended in between."""
    image_is_there(tell)
    mend = Mend(folder / "mend")
    mend.build()
    config = folder / "power.toml"
    directory = f"directory = {json.dumps(str(stage.HERE))}"
    config.write_text(stage.TOML.read_text().replace('directory = "."', directory) + mend.section())
    try:
        bring_core_up(tell)
        tell.step("Start Power Windows")
        with stage.start(folder / "data", config) as standalone:
            standalone.until_ready()
            tell.good(f"ready at {standalone.url}")
            conduct_both(tell, standalone, reports)
            conduct_mended(tell, standalone, mend, reports)
            leave(tell, standalone)
    finally:
        mend.remove()


def conduct_both(tell: Narrator, standalone: Standalone, reports: Path) -> None:
    """Conduct the scenario that fails, then the one that passes."""
    tell.step("A run with a service that lacks a module: it fails, and says why")
    failed = conduct(tell, standalone, HERE / "crash.toml", reports / "vx11-crash", expected=1)
    expect(CRASH in failed["failed_first"]["detail"], f"expected {CRASH}, got {failed['failed_first']}")
    tell.good(f"what failed first: {failed['failed_first']['what']}: {CRASH}")
    tell.step("A whole cycle with new containers: every step passes, and only core is left")
    passed = conduct(tell, standalone, HERE / "cycle.toml", reports / "vx11-cycle", expected=0)
    for report in (failed, passed):
        expect(report["proof"]["only_core"], f"expected that only core runs, got {report['proof']}")
    expect(stage.running() == set(stage.CORE), f"the engine runs {sorted(stage.running())}")
    tell.good(passed["proof"]["detail"])


def conduct_mended(tell: Narrator, standalone: Standalone, mend: Mend, reports: Path) -> None:
    """Conduct one scenario before and after the patch that the diagnosis suggests."""
    tell.step("A run in which both services crash: the diagnosis names the cause")
    before = conduct(tell, standalone, mend.folder / "cycle.toml", reports / "mend-before", expected=1)
    expect_cause(before)
    mend_it(tell, standalone, mend)
    tell.step("The same run again: it passes")
    after = conduct(tell, standalone, mend.folder / "cycle.toml", reports / "mend-after", expected=0)
    for report in (before, after):
        expect(report["proof"]["only_core"], f"expected that nothing runs, got {report['proof']}")


def conduct(tell: Narrator, standalone: Standalone, scenario: Path, place: Path, *, expected: int) -> Report:
    """Run one scenario with the command, which writes its report to `place`; return the report."""
    # A report that could not be written must not look like this run's.
    shutil.rmtree(place, ignore_errors=True)
    tell.say(f"power conduct {scenario.parent.name}/{scenario.name} --out docs/audit/{place.name}", "cyan")
    command = [stage.POWER, "conduct", str(scenario), "--out", str(place)]
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
