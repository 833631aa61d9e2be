"""Two engines, one Postgres, and a fleet of real processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.vx11 import image
from tests.databases import Databases
from tests.engine.engines import OwnEngine, own_engine
from tests.nodes.fleet import Fleet, Node, standing


@pytest.fixture(scope="session", autouse=True)
def _the_image() -> None:
    image.ensure()


@pytest.fixture(scope="session")
def second() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        engine.load(image.NAME)
        yield engine


@pytest.fixture
def fleet(tmp_path: Path, databases: Databases) -> Iterator[Fleet]:
    url = databases.migrated("postgres")
    with standing(tmp_path, url) as nodes:
        yield nodes
    databases.release(url)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Node]:
    """The node with the shared engine of this machine."""
    node = Node("here", tmp_path / "here", dict(os.environ))
    node.write("studio", "forge", "mill")
    yield node
    node.clear()


@pytest.fixture
def there(tmp_path: Path, second: OwnEngine) -> Iterator[Node]:
    """The node with an engine of its own."""
    node = Node("there", tmp_path / "there", second.environ)
    node.write("quarry", "drill", "crane")
    yield node
    node.clear()
