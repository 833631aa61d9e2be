"""The set-up asks rather than guesses, and tells a user who may not install what to type."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder of commands that go first on PATH: an ordinary user, and a client without an engine."""
    for name, text in {
        "id": 'case "$1" in -u) echo 1000;; *) echo joe;; esac',
        "docker": "echo 'Cannot connect to the Docker daemon' >&2; exit 1",
        "apt-get": f'echo "$*" >>{tmp_path}/installed',
    }.items():
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)
    return tmp_path


def run(command: list[str], stand_ins: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{stand_ins}:{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **path, **environment}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def test_a_client_without_an_engine_is_no_engine(stand_ins: Path) -> None:
    answer = run(["bin/engine"], stand_ins)

    assert answer.returncode == 3
    assert "sudo " in answer.stderr
    assert not (stand_ins / "installed").exists()


def test_an_engine_that_was_named_and_is_away_is_not_replaced(stand_ins: Path) -> None:
    answer = run(["bin/engine"], stand_ins, DOCKER_HOST="tcp://127.0.0.1:1")

    assert answer.returncode == 3
    assert "DOCKER_HOST=tcp://127.0.0.1:1" in answer.stderr


def test_a_user_who_may_not_install_gets_the_command(stand_ins: Path) -> None:
    answer = run(["bin/packages", "no-such-command=its-package", "sh=dash"], stand_ins)

    assert answer.returncode == 3
    assert "sudo apt-get install its-package\n" in answer.stderr
    assert not (stand_ins / "installed").exists()


def test_what_is_there_is_not_installed_again(stand_ins: Path) -> None:
    assert run(["bin/packages", "sh=dash"], stand_ins).returncode == 0


def test_make_help_lists_every_target_that_has_a_comment() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commented = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert re.findall(r"^make ([\w-]+)", listed, re.MULTILINE) == commented
    assert {"demo", "test", "run", "check", "bench", "install", "help"} <= set(commented)
