"""A setting that cannot be used ends every process with one line that names it, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.standalone import children
from app.web import server

POWER = str(Path(sys.executable).with_name("power"))
WRONG = {
    "POWER_BROKER_URL": "rediss+sock://b",
    "POWER_DATABASE_URL": "postgres://db/power",
    "POWER_NODE": "gpu box",
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "power.toml").write_text('[stacks.small]\nproject = "small"\nallow = ["forge"]\n')
    (tmp_path / "docker-compose.yml").write_text("services:\n  forge:\n    image: forge\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
    return {
        **inherited,
        "POWER_DATA_DIR": str(tmp_path / "data"),
        "POWER_CONFIG": str(tmp_path / "power.toml"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }


def run(argv: tuple[str, ...], environ: Mapping[str, str]) -> tuple[int, str]:
    """Its exit code, and all that it wrote."""
    done = subprocess.run(
        argv,
        env=dict(environ),
        cwd=children.root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def commands(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    return {
        "standalone": (POWER, "standalone", "--port", "0"),
        "backup": (POWER, "backup", str(tmp_path / "copy.db")),
        "archive": (POWER, "audit", "archive", "--before", "1d", "--to", str(tmp_path / "archive")),
        "migrations": (sys.executable, "-m", "migrations"),
        "web": tuple(server.serving("127.0.0.1:0")),
        "worker": children.worker_command("local", "power@local"),
        "beat": children.beat_command(),
        "flower": children.flower_command("127.0.0.1", 0),
        "part": (sys.executable, "-m", "app.standalone.part", "beat"),
    }


@pytest.mark.parametrize("process", commands(Path()))
def test_each_process_ends_with_a_line_for_each_setting(
    environ: dict[str, str], tmp_path: Path, process: str
) -> None:
    code, output = run(commands(tmp_path)[process], {**environ, **WRONG})

    assert code != 0
    assert "Traceback" not in output
    for variable in WRONG:
        assert len([line for line in output.splitlines() if f"{variable}: " in line]) == 1, output


def test_the_doctor_tells_them_and_goes_on(environ: dict[str, str]) -> None:
    code, output = run((POWER, "doctor", "--json"), {**environ, **WRONG})

    checks = json.loads(output)["checks"]
    # The image of the stack is on no engine, which is a finding of its own.
    broken = {one["check"]: one for one in checks if not one["ok"] and one["check"] != "images"}
    assert code == 1
    assert WRONG.keys() == {one["detail"].partition(":")[0] for one in broken.values()}
    assert broken["broker"]["mend"]
    assert {"engine", "compose", "stacks"} <= {one["check"] for one in checks if one["ok"]}


@pytest.mark.parametrize(("process", "expected"), [("standalone", 2), ("worker", 1)])
def test_a_data_directory_that_is_a_file_is_one_line(
    environ: dict[str, str], tmp_path: Path, process: str, expected: int
) -> None:
    (tmp_path / "data").write_text("")

    code, output = run(commands(tmp_path)[process], environ)

    assert code == expected
    assert "Traceback" not in output
    assert f"the data directory {tmp_path / 'data'} is a file" in output.splitlines()[-1]


@pytest.mark.parametrize("process", ["standalone", "worker"])
def test_a_data_directory_that_is_open_to_all_is_one_line(
    environ: dict[str, str], tmp_path: Path, process: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)

    code, output = run(commands(tmp_path)[process], environ)

    assert code == 1
    assert "Traceback" not in output
    assert "chmod 700" in output.splitlines()[-1]
