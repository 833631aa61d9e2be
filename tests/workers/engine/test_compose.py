"""Command lines are data, so they are asserted whole."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.enums import Action
from workers.engine import compose, compose_program
from workers.engine.compose import Command, ComposeFiles

STUDIO = ComposeFiles("studio", Path("/srv/studio"), ("compose.yml", "more.yml"), ("gpu",), ("studio.env",))
STARTED = "docker compose --ansi never --progress plain -p studio"
READ = (
    "--project-directory /srv/studio -f /srv/studio/compose.yml -f /srv/studio/more.yml"
    " --profile gpu --env-file /srv/studio/studio.env"
)


@pytest.fixture(autouse=True)
def _the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_program, "program", lambda: ("docker", "compose"))


def test_up_starts_one_service_and_nothing_that_it_depends_on() -> None:
    command = compose.up(STUDIO, "forge")

    assert str(command) == f"{STARTED} {READ} up -d --no-deps --no-build --pull never -- forge"
    assert (command.action, command.directory) == (Action.UP, Path("/srv/studio"))


def test_up_beside_running_replicas_recreates_none_of_them() -> None:
    command = compose.up(STUDIO, "forge", keep_running=True)

    assert str(command) == f"{STARTED} {READ} up -d --no-deps --no-build --pull never --no-recreate -- forge"


def test_stop_goes_by_labels_so_that_a_broken_file_keeps_nothing_on() -> None:
    command = compose.stop("studio", "forge")

    assert command == Command(Action.STOP, tuple(f"{STARTED} stop -- forge".split()), Path("/"))


def test_kill_goes_by_labels_too() -> None:
    command = compose.kill("studio", "forge")

    assert command == Command(Action.KILL, tuple(f"{STARTED} kill -- forge".split()), Path("/"))


def test_sharing_creates_a_service_of_no_containers() -> None:
    command = compose.share(STUDIO, Path("/tmp/shared.json"))

    read = READ.replace(" --profile", " -f /tmp/shared.json --profile")
    assert str(command) == f"{STARTED} {read} create --no-build --pull never -- power-windows-shared"
    assert command.action is Action.SHARE


def test_config_shows_the_services_of_every_profile() -> None:
    read = READ.replace("--profile gpu", "--profile *")

    assert str(compose.config(STUDIO)) == f"{STARTED} {read} config --format json"
    assert str(compose.hashes(STUDIO)) == f"{STARTED} {read} config --hash *"


@pytest.mark.parametrize("name", ["--help", "--all", "-f", "; reboot", ""])
def test_no_name_can_be_an_option(name: str) -> None:
    for command in (compose.up(STUDIO, name), compose.stop("studio", name), compose.kill("studio", name)):
        assert command.argv[-2:] == ("--", name)


@pytest.mark.parametrize("make", [compose.up, compose.stop, compose.kill])
def test_all_services_cannot_be_said(make: Callable[..., Command]) -> None:
    service = inspect.signature(make).parameters["service"]

    assert service.default is inspect.Parameter.empty
    assert service.annotation == "str"
    assert service.kind is not inspect.Parameter.VAR_POSITIONAL


def test_the_shared_file_joins_the_networks_and_has_no_containers() -> None:
    parsed = json.loads(compose.shared_file({"front", "default"}))

    service = {"image": "scratch", "scale": 0, "networks": ["default", "front"]}
    assert parsed == {"services": {"power-windows-shared": service}}


def test_an_address_of_compose_that_answers_nothing_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A `docker` on PATH says nothing about its plugins, so each candidate is asked."""
    monkeypatch.undo()
    for name, code in (("docker", 1), ("docker-compose", 0)):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\nexit {code}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("sys.executable", str(tmp_path / "nowhere" / "python"))

    assert compose_program.program.__wrapped__() == ("docker-compose",)


def test_no_compose_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    with pytest.raises(compose_program.NoCompose, match="install the Compose plugin"):
        compose_program.program.__wrapped__()
