"""The example's image is real, is built once, and each of its services behaves as the example says."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.vx11 import image


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=60)


def eventually(claim: Callable[[], bool], within: float = 20) -> bool:
    end = time.monotonic() + within
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def name() -> str:
    return image.ensure()


@pytest.fixture
def container() -> Iterator[str]:
    called = f"example-{uuid.uuid4().hex[:12]}"
    yield called
    docker("rm", "--force", called)


def test_an_image_that_is_there_is_not_built_again(name: str) -> None:
    before = image.inspected(".Id")

    assert image.ensure() == name
    assert image.inspected(".Id") == before


def test_the_image_says_what_it_was_built_from(name: str) -> None:
    assert image.inspected(f'index .Config.Labels "{image.LABEL}"') == image.fingerprint(image.gather())


def test_another_service_file_makes_another_image(tmp_path: Path) -> None:
    files = image.gather()
    changed = tmp_path / "service.py"
    changed.write_text("print('changed')\n")

    assert image.fingerprint(files | {"srv/service.py": changed}) != image.fingerprint(files)


def test_the_image_does_not_tell_where_it_was_built() -> None:
    assert {path.split("/")[0] for path in image.gather()} <= {"usr", "lib", "lib64", "srv"}


def test_manifestator_crashes_for_want_of_a_module(name: str) -> None:
    run = docker("run", "--rm", "--network", "none", name, "manifestator")

    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'switch'"


def test_a_service_leaves_at_once_when_it_is_asked_to(name: str, container: str) -> None:
    docker("run", "--detach", "--network", "none", "--name", container, name, "spawner")
    assert eventually(lambda: "listening" in docker("logs", container).stdout)

    began = time.monotonic()
    docker("stop", "--time", "30", container)

    assert time.monotonic() - began < 10
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "0"


def test_a_slow_service_is_there_before_it_is_healthy(name: str, container: str) -> None:
    docker(
        "run", "--detach", "--network", "none", "--name", container, "--env", "READY_AFTER=2", name, "switch"
    )

    def probe() -> str:
        return docker(
            "exec", container, "python3", "-I", "-S", "/srv/service.py", "probe", "8000"
        ).stdout.strip()

    assert eventually(lambda: probe() == "HTTP/1.0 503 Service Unavailable")
    assert eventually(lambda: probe() == "HTTP/1.0 200 OK")


def test_a_service_whose_peer_is_away_says_so_and_exits(name: str) -> None:
    run = docker("run", "--rm", "--network", "none", "--env", "PEERS=switch:8000", name, "hermes")

    assert run.returncode == 1
    assert "gaierror" in run.stderr


def test_redis_is_a_real_server(name: str, container: str) -> None:
    docker("run", "--detach", "--network", "none", "--name", container, "--entrypoint", "valkey-server", name)

    def ping() -> int:
        return docker("exec", container, "python3", "-I", "-S", "/srv/service.py", "ping", "6379").returncode

    assert eventually(lambda: ping() == 0)
