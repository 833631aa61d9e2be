"""Which Compose binary is run: Docker's own before the package's, and never an unknown one."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from app.host import compose_binaries
from app.host.compose_binaries import CHECKSUMS, Candidate
from workers.engine import compose_program

PACKAGED = Path(sys.executable).with_name("docker-compose")
OWN = "v5.3.0"


def plugin(folder: Path, version: str) -> Path:
    """A plugin that says that it is of this version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "docker-compose"
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with the packaged binary beside it, on a machine that has nothing else of Docker."""
    home = tmp_path / "venv" / "bin"
    home.mkdir(parents=True)
    shutil.copy2(PACKAGED, home / "docker-compose")
    monkeypatch.setattr("sys.executable", str(home / "python"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{home}")
    for name in ("DOCKER_CONFIG", "POWER_COMPOSE"):
        monkeypatch.delenv(name, raising=False)
    return home / "python"


def program() -> tuple[str, ...]:
    compose_program.program.cache_clear()
    try:
        return compose_program.program()
    finally:
        compose_program.program.cache_clear()


def test_the_packaged_binary_is_one_whose_checksum_is_in_the_repository() -> None:
    assert hashlib.sha256(PACKAGED.read_bytes()).hexdigest() in CHECKSUMS


def test_the_packaged_binary_is_used_where_docker_has_none(python: Path) -> None:
    assert program() == (str(python.with_name("docker-compose")),)


def test_dockers_own_plugin_is_preferred(python: Path, tmp_path: Path) -> None:
    installed = plugin(tmp_path / "home/.docker/cli-plugins", OWN)
    assert program() == (str(installed),)


@pytest.mark.parametrize("version", ["v2.20.3", "1.29.2", "v6.0.0", "", "dev"])
def test_a_plugin_of_another_version_is_passed_over(python: Path, tmp_path: Path, version: str) -> None:
    plugin(tmp_path / "home/.docker/cli-plugins", version)
    assert program() == (str(python.with_name("docker-compose")),)


def test_a_plugin_in_a_folder_that_the_clients_file_names_is_found(python: Path, tmp_path: Path) -> None:
    installed = plugin(tmp_path / "elsewhere", OWN)
    (tmp_path / "home/.docker").mkdir(parents=True)
    (tmp_path / "home/.docker/config.json").write_text(
        json.dumps({"cliPluginsExtraDirs": [str(installed.parent)]})
    )
    assert program() == (str(installed),)


def test_a_link_to_the_package_is_not_dockers_own(python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home/.docker/cli-plugins"
    folder.mkdir(parents=True)
    (folder / "docker-compose").symlink_to(PACKAGED)
    assert program() == (str(python.with_name("docker-compose")),)


@pytest.mark.parametrize("change", ["one byte more", "another program"])
def test_a_changed_binary_is_refused_by_name_even_where_path_leads_to_it(python: Path, change: str) -> None:
    beside = python.with_name("docker-compose")
    if change == "one byte more":
        with beside.open("ab") as file:
            file.write(b"\0")
    else:
        plugin(beside.parent, OWN)
    with pytest.raises(compose_program.NoCompose) as refused:
        program()
    message = str(refused.value)
    assert str(beside) in message
    assert hashlib.sha256(beside.read_bytes()).hexdigest() in message
    assert "POWER_COMPOSE" in message


def test_a_binary_that_the_operator_names_is_used(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = plugin(tmp_path / "opt", "v2.20.3")
    monkeypatch.setenv("POWER_COMPOSE", str(named))
    assert program() == (str(named),)


def test_the_order_is_dockers_own_then_the_package_then_path(tmp_path: Path) -> None:
    installed = plugin(tmp_path / "lib/docker/cli-plugins", OWN)
    candidates = compose_binaries.candidates({"HOME": "/nowhere"}, Path(sys.executable), (installed.parent,))
    assert candidates == [
        Candidate((str(installed),), own=True),
        Candidate((str(PACKAGED),)),
        Candidate(("docker", "compose"), own=True),
        Candidate(("docker-compose",)),
    ]
