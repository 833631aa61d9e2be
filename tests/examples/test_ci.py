"""The CI examples on the whole service and real containers: held while they run, let go whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from examples.vx11 import image
from power_windows import Client
from tests.engine.stacks import docker, exits, running, until
from tests.standalone.whole_standalone import Standalone

HERE = Path(__file__).parents[2]
SCRIPT = HERE / "examples/ci/with-power.sh"
SAMPLE = HERE / "examples/ci/test_sample.py"


@pytest.fixture(scope="module")
def system() -> Iterator[Standalone]:
    image.ensure()
    with tempfile.TemporaryDirectory() as directory:
        standalone = Standalone(Path(directory))
        services = {"forge": running(), "broken": exits(3, saying="no such model")}
        project = f"pw-ci-{os.getpid()}"
        (standalone.directory / "docker-compose.yml").write_text(json.dumps({"services": services}))
        (standalone.directory / "power.toml").write_text(
            f'[stacks.small]\nproject = "{project}"\nallow = ["forge", "broken"]\n'
        )
        try:
            standalone.start()
            yield standalone
            standalone.stop()
        finally:
            standalone.clear()
        label = f"label=com.docker.compose.project={project}"
        for kind, remove in ((["ps", "-a"], ["rm", "-f"]), (["network", "ls"], ["network", "rm"])):
            if left := docker(*kind, "-q", "--filter", label).split():
                docker(*remove, *left)


@pytest.fixture
def client(system: Standalone) -> Iterator[Client]:
    front = system.front()
    with Client(front.url, front.token) as client:
        yield client
        for window in unclosed(client):
            client.close(window, force=True)


@pytest.fixture
def environ(system: Standalone, tmp_path: Path) -> dict[str, str]:
    """A runner's environment: the command on its PATH, and where the service is."""
    front, power = system.front(), tmp_path / "bin" / "power"
    power.parent.mkdir()
    power.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from app.cli import main; main()' \"$@\"\n")
    power.chmod(0o755)
    variables = {"POWER_URL": front.url, "POWER_TOKEN": front.token, "PYTHONPATH": str(HERE)}
    # What a runner starts is not part of this run of pytest, which may have several processes.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**inherited, **variables, "PATH": f"{power.parent}:{os.environ['PATH']}"}


def unclosed(client: Client) -> list[Any]:
    return [one for state in ("opening", "open", "closing") for one in client.windows(state=state)]


def let_go(client: Client) -> bool:
    return until(lambda: not unclosed(client), "nothing is held", within=60)


def script(environ: Mapping[str, str], *words: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["sh", str(SCRIPT), *words], env={**environ, **more}, stdout=-1, stderr=-1, text=True, cwd=HERE
    )


def sample(environ: Mapping[str, str], *words: str) -> list[str]:
    plugin = [
        "-p",
        "power_windows.pytest_plugin",
        "-p",
        "no:celery",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    return [sys.executable, "-m", "pytest", *plugin, *words]


@pytest.mark.parametrize(("command", "code"), [("test -d . && echo ran", 0), ("echo ran; exit 7", 7)])
def test_a_command_runs_with_its_services_and_ends_as_it_does(
    client: Client, environ: dict[str, str], command: str, code: int
) -> None:
    process = script(environ, "forge", "--", "sh", "-c", command, POWER_TTL="1m", POWER_REASON="run 7")
    output, errors = process.communicate(timeout=120)

    assert (process.returncode, output) == (code, "ran\n"), errors
    newest = next(client.windows(limit=1))
    assert (newest.services, newest.status, newest.reason) == (("forge",), "ok", "run 7")
    assert newest.close_detail == f"CI: exit {code}"
    assert let_go(client)


def test_a_command_that_is_stopped_lets_go(client: Client, environ: dict[str, str]) -> None:
    process = script(environ, "forge", "--", "sh", "-c", "echo begun; sleep 600")
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 143
    assert next(client.windows(limit=1)).close_detail == "CI: exit 143"
    process.communicate()
    assert let_go(client)


def test_a_service_that_fails_is_shown_and_the_command_is_not_run(
    client: Client, environ: dict[str, str]
) -> None:
    process = script(environ, "forge,broken", "--", "echo", "ran")
    output, errors = process.communicate(timeout=120)

    assert (process.returncode, output) == (1, "")
    assert "no such model" in errors
    assert let_go(client)


def test_the_sample_tests_pass_and_let_go(client: Client, environ: dict[str, str]) -> None:
    command = sample(environ, "--power-services", "forge", str(SAMPLE))
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout
    assert next(client.windows(limit=1)).reason == "tests"
    assert let_go(client)


FAILS = "def test_it(power_window):\n    assert power_window.now.ready\n    assert False, 'on purpose'\n"
SLOW = "import time\ndef test_it(power_window):\n    print('begun', flush=True)\n    time.sleep(600)\n"


def test_tests_that_fail_let_go(client: Client, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FAILS)
    command = sample(environ, "--power-services", "forge", str(tmp_path / "test_it.py"))
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    assert (ended.returncode, "on purpose" in ended.stdout) == (1, True)
    assert let_go(client)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_tests_that_are_interrupted_or_killed_let_go(
    client: Client, environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "test_it.py").write_text(SLOW)
    command = sample(
        environ, "-s", "--power-services", "forge", "--power-ttl", "8s", str(tmp_path / "test_it.py")
    )
    with subprocess.Popen(command, env=environ, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout
        assert any("begun" in line for line in process.stdout)
        assert len(unclosed(client)) == 1
        process.send_signal(number)
        process.communicate(timeout=60)

    assert let_go(client)
    if number is signal.SIGKILL:
        assert next(client.windows(limit=1)).close_detail == "its time was up"


def test_a_call_without_a_service_prints_the_usage(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FAILS)
    ended = subprocess.run(
        sample(environ, str(tmp_path / "test_it.py")),
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "power_services" in ended.stdout
