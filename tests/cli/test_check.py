"""`power check`: every fault of power.toml and the compose files is a line, and nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.check import check
from tests.conftest import NO_ENGINE

pytestmark = pytest.mark.integration

GOOD = '[stacks.small]\nproject = "small"\nallow = ["forge"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docker-compose.yml").write_text("services:\n  forge:\n    image: forge\n")
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    monkeypatch.delenv("POWER_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(check, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output.splitlines()


def test_a_good_file_is_one_line_and_nothing_is_written(folder: Path) -> None:
    (folder / "power.toml").write_text(GOOD)
    before = sorted(folder.rglob("*"))

    code, lines = run()

    assert (code, [line.split()[:3] for line in lines]) == (0, [["ok", "stacks", "small"]])
    assert sorted(folder.rglob("*")) == before


def test_every_fault_is_a_line(folder: Path) -> None:
    (folder / "other.toml").write_text(
        '[stacks.small]\nproject = "small"\nallow = ["forge", "anvil"]\ncore = ["hearth"]\nlimit = 3\n'
        '[stacks.lab]\nproject = "My.Lab"\nallow = ["web"]\n'
    )
    assert [("limit" in line, "My.Lab" in line) for line in run("--config", "other.toml")[1][::2]] == [
        (True, False),
        (False, True),
    ]
    (folder / "other.toml").write_text(GOOD.replace('"forge"', '"forge", "anvil"') + 'core = ["hearth"]\n')

    code, lines = run("--config", "other.toml")

    assert code == 1
    assert [("'hearth'" in line, "'anvil'" in line) for line in lines[::2]] == [(True, False), (False, True)]


def test_a_secret_whose_variable_is_not_set_is_a_fault_before_the_restart(folder: Path) -> None:
    (folder / "power.toml").write_text(GOOD)
    services = {"forge": {"image": "forge", "secrets": ["tok"]}}
    secrets = {"tok": {"environment": "TOK_NOT_SET"}}
    (folder / "docker-compose.yml").write_text(json.dumps({"services": services, "secrets": secrets}))

    code, lines = run()

    assert (code, "variable TOK_NOT_SET is not set" in lines[0]) == (1, True), lines
