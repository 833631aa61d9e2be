"""A broker and a worker in containers of their own, put together by pytest-celery.

The plugin is off for all other tests, since loading it takes seconds and its fixtures
would be shared by all. Here its fixtures come in by name, and those are replaced that
would pull an image, open a port to all interfaces, or run something other than the product.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_celery import *  # noqa: F403  The plugin loads itself by the very same line.
from pytest_celery import (
    CELERY_REDIS_BROKER,
    CeleryTestBroker,
    CeleryTestSetup,
    CeleryWorkerContainer,
    RedisContainer,
)
from pytest_docker_tools import container, fxtr

from tests.deadline import until
from tests.smoke import images
from tests.smoke.stage import STACK, Stage

SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class Broker(RedisContainer):  # type: ignore[misc]  # The plugin has no types.
    """A valkey-server that keeps its port, and what it was told, when it is started again."""

    @classmethod
    def image(cls) -> str:
        return images.broker()

    @classmethod
    def ports(cls) -> dict[str, tuple[str, int]]:
        return {"6379/tcp": ("127.0.0.1", _free_port())}

    @classmethod
    def command(cls, *args: str, **_: object) -> list[str]:
        keeps = ("--dir", "/tmp", "--appendonly", "yes", "--appendfsync", "always")
        return [*super().command(*args), *keeps]

    @property
    def port(self) -> int:
        # Where the tests' own machine is a container, the plugin would give the port inside the broker's.
        return int(self.attrs["HostConfig"]["PortBindings"]["6379/tcp"][0]["HostPort"])

    @property
    def host_url(self) -> str:
        return f"{self.prefix()}127.0.0.1:{self.port}/{self.vhost}"


class Worker(CeleryWorkerContainer):  # type: ignore[misc]
    """The product's own worker, as the standalone runs it."""

    @classmethod
    def command(cls, *_: str, **__: object) -> list[str]:
        terms = ("-P", "threads", "-Q", "power,power.local", "-n", "power@%h", "-l", "info")
        return [
            "python3",
            "-m",
            "celery",
            "-A",
            "workers",
            "worker",
            *terms,
            "--without-mingle",
            "--without-gossip",
        ]

    def _wait_ready(self, timeout: int = 30) -> bool:
        # The plugin's own waits out all its time on a worker that has already exited.
        return self.ready_prompt in self.logs()

    @classmethod
    def worker_name(cls) -> str:
        return "power"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(params=[CELERY_REDIS_BROKER])
def celery_broker(request: pytest.FixtureRequest) -> Iterator[CeleryTestBroker]:
    broker: CeleryTestBroker = request.getfixturevalue(request.param)
    yield broker
    broker.teardown()


@pytest.fixture
def celery_backend_cluster() -> None:
    """The database row is the result, so there is no result backend."""


@pytest.fixture
def default_redis_broker_cls() -> type[Broker]:
    return Broker


@pytest.fixture
def default_worker_container_cls() -> type[Worker]:
    return Worker


@pytest.fixture(scope="session")
def default_worker_container_session_cls() -> type[Worker]:
    return Worker


@pytest.fixture(scope="session")
def worker_image() -> str:
    return images.worker()


@pytest.fixture
def default_worker_env(
    celery_worker_cluster_config: dict[str, dict[str, list[str]]], stage: Stage
) -> dict[str, str]:
    return {
        "POWER_BROKER_URL": celery_worker_cluster_config["celery_broker_cluster_config"]["urls"][0],
        "POWER_CONFIG": str(stage.home / "power.toml"),
        "POWER_DATA_DIR": str(stage.home),
        "HOME": str(stage.home),
    }


@pytest.fixture
def worker_volumes(stage: Stage) -> dict[str, dict[str, str]]:
    """Compose looks into the directory from inside, and the tests from outside, so both use one path."""
    return {
        SOCKET: {"bind": "/var/run/docker.sock", "mode": "rw"},
        str(stage.home): {"bind": str(stage.home), "mode": "rw"},
    }


@pytest.fixture
def worker_user() -> str:
    """What the worker writes belongs to the user who runs the tests."""
    return f"{os.getuid()}:{os.getgid()}"


@pytest.fixture
def worker_groups() -> list[int]:
    return [Path(SOCKET).stat().st_gid]


# Declared anew, since the plugin wraps its containers in its own classes, whatever class is asked for.
default_redis_broker = container(
    image="{default_redis_broker_image}",
    ports=fxtr("default_redis_broker_ports"),
    environment=fxtr("default_redis_broker_env"),
    network="{default_pytest_celery_network.name}",
    wrapper_class=Broker,
    timeout=60,
    command=fxtr("default_redis_broker_command"),
)

default_worker_container = container(
    image="{worker_image}",
    environment=fxtr("default_worker_env"),
    network="{default_pytest_celery_network.name}",
    volumes=fxtr("worker_volumes"),
    user=fxtr("worker_user"),
    group_add=fxtr("worker_groups"),
    wrapper_class=Worker,
    timeout=60,
    command=fxtr("default_worker_command"),
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.strike()


@pytest.fixture
def setup(celery_setup: CeleryTestSetup, stage: Stage) -> CeleryTestSetup:
    """Broker and worker, up and in each other's reach, with the stack read."""
    until(stage.served, f"the worker serves {STACK}", within=30)
    return celery_setup


@pytest.fixture
def broker_url(setup: CeleryTestSetup) -> str:
    """The broker as it is reached from here."""
    return str(setup.broker.config()["host_url"])
