"""Tests on a Docker engine of a chosen release: one engine, one run of pytest against it, one result."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.engine import roots
from tests.engine.engines import OwnEngine, own_engine

LOWEST = "DOCKER_MIN_API_VERSION"
"""The environment variable by which dockerd refuses clients of older API versions."""
_TIDIED_WITHIN = 120.0
"""Seconds that an interrupted pytest may take to end its servers and containers."""


@dataclass(frozen=True, slots=True)
class Target:
    """An engine to test on; `lowest_api` of None leaves that to the engine."""

    release: str
    lowest_api: str | None = None

    def __str__(self) -> str:
        return f"{self.release} (lowest API {self.lowest_api})" if self.lowest_api else self.release


TARGETS = (
    Target("20.10"),
    Target("26.1"),
    Target("26.1", lowest_api="1.44"),
    Target("28.5"),
    Target("28.5", lowest_api="1.44"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run; `engine` is the version and the API versions that the engine itself tells."""

    target: Target
    engine: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str

    @property
    def ok(self) -> bool:
        return self.passed > 0 and self.failed == 0


def run(target: Target, tests: Sequence[str], *, echo: bool = False) -> Result:
    """Start the engine and run pytest with these arguments against it.

    With `echo` the output of pytest goes to this process's own, otherwise into the result.
    An engine that cannot be set up is a failed result.
    """
    began = time.monotonic()
    try:
        with own_engine(roots.root(target.release), _variables(target)) as engine:
            return _tested(target, engine, tests, began, echo=echo)
    except (AssertionError, RuntimeError, OSError) as error:
        return Result(target, "did not start", 0, 1, 0, time.monotonic() - began, str(error))


def _tested(target: Target, engine: OwnEngine, tests: Sequence[str], began: float, *, echo: bool) -> Result:
    with tempfile.TemporaryDirectory(prefix="pw-matrix-") as directory:
        report = Path(directory, "report.xml")
        # A signal to this process interrupts the tests.
        command = ["setpriv", "--pdeathsig", "INT", "--", sys.executable, "-m", "pytest"]
        command += ["-p", "no:cacheprovider", f"--junit-xml={report}", *tests]
        code, output = _run_pytest(command, _environ(target, engine), echo=echo)
        passed, failed, skipped = _counted(report)
    # pytest exits non-zero also where it found no test, or could not collect one.
    failed = max(failed, int(code != 0))
    return Result(target, _told(engine), passed, failed, skipped, time.monotonic() - began, output)


def _run_pytest(command: list[str], environ: dict[str, str], *, echo: bool) -> tuple[int, str]:
    """Return its exit code and output. Where this process is interrupted, pytest is too, and tidies up."""
    stdout, stderr = (None, None) if echo else (subprocess.PIPE, subprocess.STDOUT)
    with subprocess.Popen(
        command,
        cwd=roots.REPOSITORY,
        env=environ,
        stdout=stdout,
        stderr=stderr,
        text=True,
        # Ctrl-C reaches it through this process alone: a second one would cut its tidying short.
        start_new_session=True,
    ) as pytest:
        try:
            output, _ = pytest.communicate()
        except BaseException:
            pytest.send_signal(signal.SIGINT)
            pytest.wait(_TIDIED_WITHIN)
            raise
    return pytest.returncode, output or ""


def _environ(target: Target, engine: OwnEngine) -> dict[str, str]:
    """The environment of the tests: this engine is theirs, and so is its release where they start another."""
    environ = engine.environ | _variables(target) | {roots.CHOSEN: target.release}
    # What pytest tells its own children, and contexts, would lead to another engine.
    return {
        name: value for name, value in environ.items() if name not in {"PYTEST_ADDOPTS", "DOCKER_CONTEXT"}
    }


def _variables(target: Target) -> dict[str, str]:
    return {LOWEST: target.lowest_api} if target.lowest_api else {}


def _counted(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped, by pytest's report."""
    if not report.exists():
        return 0, 1, 0
    suites = list(ElementTree.parse(report).iter("testsuite"))
    total, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    return max(0, total - failures - errors - skipped), failures + errors, skipped


def _told(engine: OwnEngine) -> str:
    try:
        return engine.docker(
            "version",
            "--format",
            "{{.Server.Version}}, API {{.Server.MinAPIVersion}} to {{.Server.APIVersion}}",
        ).strip()
    except subprocess.CalledProcessError:
        return "does not answer"
