"""The demo's witness sees what is there, and the demo keeps its hands off what is not its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.vx11 import demo, image, stage


@pytest.fixture
def foreign_container(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A container of another user, under the project name that the demo is about to use."""
    project = f"stage-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(stage, "PROJECT", project)
    labels = {"project": project, "project.working_dir": "/elsewhere", "service": "madre"}
    inspections = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    command = [
        "docker",
        "run",
        "--detach",
        "--network=none",
        f"--name={project}",
        *inspections,
        image.ensure(),
        "madre",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    yield project
    subprocess.run(["docker", "rm", "--force", project], check=True, capture_output=True, timeout=60)


def test_the_engine_is_the_witness(foreign_container: str) -> None:
    assert stage.running() == {"madre"}
    assert foreign_container in stage.listing()


def test_a_project_of_the_same_name_from_elsewhere_is_not_touched(foreign_container: str) -> None:
    with pytest.raises(stage.NotAsPromised, match="from /elsewhere; not touched"):
        demo.refuse_company()


def test_a_process_that_was_left_behind_is_found(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        env={**os.environ, "POWER_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
    )
    assert sleeper.stdout
    with sleeper:
        sleeper.stdout.readline()
        standalone = stage.Standalone(sleeper, data_dir, tmp_path / "log", "http://127.0.0.1:1")
        processes = standalone.left_behind()
        code = standalone.stop()

    assert [line.split()[0] for line in processes] == [str(sleeper.pid)]
    assert code == -signal.SIGTERM
    assert standalone.left_behind() == []


def test_a_standalone_that_ends_too_early_is_not_waited_for(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    ended.wait()
    standalone = stage.Standalone(ended, tmp_path, tmp_path / "log", "http://127.0.0.1:1")

    with pytest.raises(stage.NotAsPromised, match="exit code 3"):
        standalone.until_ready()
