"""Real containers on the engine that answers here; where none does, these tests fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.vx11 import image
from tests.databases import Databases
from tests.engine.stacks import Stack, standing


@pytest.fixture(scope="session", autouse=True)
def _the_image() -> None:
    image.ensure()


@pytest.fixture
def stack(tmp_path: Path, databases: Databases) -> Iterator[Stack]:
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        yield stack
