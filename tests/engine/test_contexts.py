"""With a Docker context in force, reading and changing go to its engine, for as long as the worker lives."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.host import engine_endpoint
from examples.vx11 import image
from tests.databases import Databases
from tests.engine.engines import OwnEngine, forgive_sockets, own_engine
from tests.engine.stacks import Stack, running, standing
from workers.engine import compose_program
from workers.engine.client import Engine

NAMES = engine_endpoint.VARIABLES
HERE = engine_endpoint.DEFAULT


@pytest.fixture(scope="module")
def there() -> Iterator[OwnEngine]:
    with own_engine() as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        image.ensure()
        yield engine


@pytest.fixture
def contexts(there: OwnEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contexts, made by Docker itself; neither is in force."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name, host in {"first": HERE, "second": there.host}.items():
        docker("context", "create", name, "--docker", f"host={host}")


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest,
    contexts: None,
    tmp_path: Path,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    """A stack on the second engine, named in one of the two ways that a context is."""
    if getattr(request, "param", "use") == "use":
        docker("context", "use", "second")
    else:
        monkeypatch.setenv("DOCKER_CONTEXT", "second")
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
    forgive_sockets()


def docker(*words: str, host: str | None = None) -> str:
    environ = {**os.environ, "DOCKER_HOST": host} if host else None
    return subprocess.run(["docker", *words], env=environ, check=True, capture_output=True, text=True).stdout


def running_at(host: str, project: str) -> int:
    label = f"label=com.docker.compose.project={project}"
    return len(docker("ps", "-q", "--filter", label, host=host).split())


@pytest.mark.parametrize("elsewhere", ["use", "DOCKER_CONTEXT"], indirect=True)
def test_a_window_opens_on_the_engine_of_the_context(elsewhere: Stack, there: OwnEngine) -> None:
    elsewhere.write({"forge": running(network_mode="none")}).begin()

    window = elsewhere.open("forge")
    elsewhere.opened(window)

    assert elsewhere.engine.endpoint.host == there.host
    assert (running_at(there.host, elsewhere.project), running_at(HERE, elsewhere.project)) == (1, 0)
    elsewhere.close(window)
    elsewhere.closed(window)
    assert running_at(there.host, elsewhere.project) == 0


def test_a_context_that_is_switched_under_a_window_turns_nothing_else_off(
    elsewhere: Stack, there: OwnEngine
) -> None:
    elsewhere.write({"forge": running(network_mode="none")}).begin()
    window = elsewhere.open("forge")
    elsewhere.opened(window)
    argv = [*compose_program.program(), "-p", elsewhere.project, "-f", str(elsewhere.file)]
    environ = {**os.environ, "DOCKER_HOST": HERE}
    subprocess.run([*argv, "up", "-d"], env=environ, check=True, capture_output=True)
    try:
        docker("context", "use", "first")

        elsewhere.close(window)
        elsewhere.closed(window)

        assert running_at(there.host, elsewhere.project) == 0
        assert running_at(HERE, elsewhere.project) == 1
    finally:
        subprocess.run([*argv, "down", "-t", "1"], env=environ, check=True, capture_output=True)


def test_the_next_worker_goes_where_the_context_then_is(contexts: None, there: OwnEngine) -> None:
    engines = []
    for name in ("first", "second"):
        docker("context", "use", name)
        # As a process of its own would: it has found nothing yet.
        engine = Engine(engine_endpoint.find(os.environ))
        engines.append((engine.endpoint.host, engine.id()))
        engine.close()

    assert [host for host, _id in engines] == [HERE, there.host]
    assert engines[0][1] != engines[1][1]
    forgive_sockets()
