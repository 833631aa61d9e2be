"""A stack whose database can be cut off, and what its worker remembers of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.engine.stacks import Stack, standing
from tests.outages import Line, Server

REPOSITORY = Path(__file__).parents[2]
LONG = 60.0
"""Seconds that anything here may take on a slow machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server.migrated())
    yield line
    line.close()


@pytest.fixture
def far(tmp_path: Path, line: Line) -> Iterator[Stack]:
    """A stack whose worker reaches its database over a line that can be cut."""
    with standing(tmp_path, line.url) as stack:
        yield stack


def written(stack: Stack, kind: str) -> int:
    """Lines of this kind in the journals on disk."""
    journals = [one.read_text() for one in (stack.directory / "data" / "blind").rglob("*.journal")]
    return sum(text.count(f'"kind": "{kind}"') for text in journals)


def known_deadline(stack: Stack, window: str) -> datetime:
    """Without asking the database."""
    (snapshot,) = stack.context.snapshot.latest.stacks.values()
    return next(lease.deadline for lease in snapshot.leases if lease.window == window)


def is_off(stack: Stack) -> bool:
    return stack.alive() == set()
