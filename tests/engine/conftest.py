"""Real containers on the engine that answers here; where none does, these tests fail."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.vx11 import image
from tests.databases import Databases
from tests.engine.engine_proxy import EngineProxy, engine_proxy
from tests.engine.stacks import Stack, standing


@pytest.fixture(scope="session", autouse=True)
def _the_image() -> None:
    image.ensure()


@pytest.fixture
def stack(tmp_path: Path, databases: Databases) -> Iterator[Stack]:
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProxy]:
    """The engine of this test is behind this proxy, which at first passes everything."""
    with (
        tempfile.TemporaryDirectory(prefix="pw-proxy-") as directory,
        engine_proxy(Path(directory)) as proxy,
    ):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/proxy.sock")
        yield proxy


@pytest.fixture
def proxied(proxy: EngineProxy, tmp_path: Path, databases: Databases) -> Iterator[Stack]:
    """A stack whose worker reaches the engine by the proxy."""
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
        proxy.pass_everything()
