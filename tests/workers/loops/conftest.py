"""A worker's context without an engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.store.database import Database
from workers.state.context import WorkerContext
from workers.state.identity import Identity


@pytest.fixture
def context(tmp_path: Path, database: Database) -> WorkerContext:
    me = Identity(tmp_path / "locks", "local")
    engine: Any = SimpleNamespace(id=lambda: "engine", fault="")
    return WorkerContext(database, engine, me, "local", tmp_path / "locks")
