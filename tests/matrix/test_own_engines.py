"""An engine that a test starts leaves nothing behind, and one that cannot be set up is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.host import processes
from examples.vx11 import image
from tests.engine import roots
from tests.engine.engines import OwnEngine, own_engine
from tests.engine.stacks import until
from tests.matrix import runs
from tests.matrix.__main__ import main, table
from tests.matrix.runs import Result, Target

SLEEP = [image.NAME, "-I", "-S", "-c", "import time; time.sleep(600)"]


@pytest.fixture(scope="module", autouse=True)
def _the_image() -> None:
    image.ensure()


def run_a_container(engine: OwnEngine) -> set[processes.Process]:
    """Run a container on a network; return the engine's processes, those of the container among them."""
    engine.load(image.NAME)
    engine.docker("network", "create", "inner")
    engine.docker("run", "-d", "--restart=always", "--network=inner", "--entrypoint=python3", *SLEEP)
    return processes.descendants(os.getpid())


def traces(engine: OwnEngine) -> list[str]:
    """What this machine shows of an engine outside of its namespaces."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    cgroups = (str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{engine.cgroup}"))
    return [*(line for line in mounts if str(engine.directory) in line), *cgroups]


def fail_on_an_engine(engines: list[OwnEngine], family: set[processes.Process]) -> None:
    # This process may have others that stay, such as a database of the tests.
    before = processes.descendants(os.getpid())
    with own_engine() as engine:
        engines.append(engine)
        family |= run_a_container(engine) - before
        raise ZeroDivisionError


def test_nothing_is_left_of_an_engine_whose_test_failed() -> None:
    engines: list[OwnEngine] = []
    family: set[processes.Process] = set()

    with pytest.raises(ZeroDivisionError):
        fail_on_an_engine(engines, family)

    (engine,) = engines
    assert len(family) > 5
    assert {process for process in family if processes.alive(process)} == set()
    assert traces(engine) == []
    assert not engine.directory.exists()


def test_a_network_of_an_engine_is_not_one_of_this_machine() -> None:
    with own_engine() as engine:
        run_a_container(engine)
        bridge = f"br-{engine.docker('network', 'inspect', '--format', '{{.Id}}', 'inner')[:12]}"
        assert not Path("/sys/class/net", bridge).exists()


STARTER = """
    import sys, threading
    from tests.matrix.test_own_engines import own_engine, run_a_container

    with own_engine() as engine:
        run_a_container(engine)
        print(engine.directory, flush=True)
        threading.Event().wait()
"""


def test_an_engine_ends_with_the_process_that_started_it() -> None:
    environ = {**os.environ, "PYTHONPATH": str(roots.REPOSITORY)}
    command = [sys.executable, "-c", textwrap.dedent(STARTER)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        directory = Path(starter.stdout.readline().strip())
        family = processes.descendants(starter.pid)
        assert len(family) > 5
        starter.kill()

    assert processes.wait_gone(family, 20) == set()
    shutil.rmtree(directory)


def test_killed_and_started_again_it_has_what_it_had() -> None:
    with own_engine() as engine:
        run_a_container(engine)
        engine.kill()
        engine.start()
        until(lambda: engine.docker("ps", "-q"), "the container is back", 30)


def test_a_release_that_cannot_be_set_up_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(roots.SUITES, "0.1", "no-such-suite")
    monkeypatch.setattr(roots, "CACHE", tmp_path)

    result = runs.run(Target("0.1"), ["tests/engine"])

    assert not result.ok
    assert "mmdebstrap" in result.output
    assert "no-such-suite" in result.output
    assert list(tmp_path.glob("no-such-suite-????????????")) == []


def test_a_release_that_is_not_known_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["19.03"], []) == 2
    assert capsys.readouterr().err == "engines: 19.03 is not known; known are 20.10, 26.1, 28.5\n"


def test_the_table_has_a_line_for_each_engine() -> None:
    good = Result(
        Target("26.1"), "26.1.5, API 1.24 to 1.45", passed=9, failed=0, skipped=0, seconds=61.2, output=""
    )
    bad = Result(Target("28.5", "1.44"), "did not start", passed=0, failed=1, skipped=0, seconds=3, output="")

    head, first, second = table([good, bad])

    assert head.split() == ["Docker", "the", "engine", "says", "passed", "failed", "skipped", "seconds"]
    assert first.split() == ["26.1", "26.1.5,", "API", "1.24", "to", "1.45", "9", "0", "0", "61", "ok"]
    assert second.startswith("28.5 (lowest API 1.44)  did not start")
    assert second.endswith("FAILED")
