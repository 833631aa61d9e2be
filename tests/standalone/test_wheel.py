"""`power standalone` from installed wheels, as pipx installs them, in a folder with a user's power.toml."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.vx11 import image
from tests import wheels
from tests.engine.stacks import docker, running
from tests.standalone.whole_standalone import CHILDREN, Standalone
from tests.wheels import ROOT, Environment

CONSOLE = ROOT / "app/web/console"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("server")
    built = [wheels.build_server(folder / "server"), wheels.build_client(folder / "client")]
    return Environment(folder / "venv", built)


@pytest.fixture
def standalone(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Standalone]:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    image.ensure()
    one = Standalone(tmp_path, environment.program("power"))
    (one.directory / "docker-compose.yml").write_text(json.dumps({"services": {"forge": running()}}))
    yield one
    if containers := docker(
        "ps", "-aq", "--filter", f"label=com.docker.compose.project={one.project}"
    ).split():
        docker("rm", "-f", *containers)
    one.clear()


def power(standalone: Standalone, environment: Environment, *arguments: str) -> str:
    """Run a command in the user's folder, which finds the standalone by itself; return its output."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
    environ["XDG_STATE_HOME"] = str(standalone.directory / "state")
    return wheels.run(
        str(environment.program("power")), *arguments, cwd=standalone.directory, environ=environ
    )


def folders_of_children(standalone: Standalone) -> set[Path]:
    """Return where the children that run our code are; they import what is there."""
    children = [standalone.child(name) for name in CHILDREN - {"broker"}]
    return {Path(f"/proc/{child.pid}/cwd").readlink() for child in children if child}


def test_a_window_opens_and_closes_on_the_installed_wheels(
    standalone: Standalone, environment: Environment
) -> None:
    standalone.start()

    assert folders_of_children(standalone) == {environment.site_packages}
    assert standalone.works()
    opened = json.loads(power(standalone, environment, "open", "forge", "--ttl", "5m", "--json"))
    assert (opened["state"], opened["status"]) == ("open", "ok")
    assert "closed" in power(standalone, environment, "close", opened["id"])
    assert httpx.get(f"http://127.0.0.1:{standalone.port}/sign-in").status_code == 200
    assert standalone.stop() == 0


def test_every_file_of_the_console_and_every_migration_is_installed(environment: Environment) -> None:
    sources = [
        *CONSOLE.glob("assets/*"),
        *CONSOLE.glob("templates/*"),
        *ROOT.glob("migrations/*.mako"),
        *ROOT.glob("migrations/versions/*.py"),
    ]
    missing = [
        str(path.relative_to(ROOT))
        for path in sources
        if not (environment.site_packages / path.relative_to(ROOT)).is_file()
    ]
    assert (missing, len(sources) > 40) == ([], True)


def test_nothing_but_the_declared_dependencies_is_installed(environment: Environment) -> None:
    names = {path.name for path in environment.site_packages.iterdir()}

    assert {"app", "workers", "migrations", "power_windows", "celeryconfig.py", "flask"} <= names
    assert not {"pytest", "tests", "mypy", "hypothesis"} & names
