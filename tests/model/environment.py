"""What the runs share: databases and directories that are emptied between runs rather than made anew."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.databases import Databases
from tests.model import interruptions
from tests.model.worker import ProcessDatabase

MEMORY = Path("/dev/shm")
"""A file system in memory, where a sync costs nothing; no file has to survive a power failure."""


@dataclass
class Environment:
    """The databases of the web process and of two workers, and what all runs have counted."""

    databases: tuple[ProcessDatabase, ProcessDatabase, ProcessDatabase]
    clear: Callable[[], None]
    """Empties the database and the directories."""
    lock_dir: Path
    steps: int = 0
    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """State sequences of windows, calls and refusals."""


@contextmanager
def prepare_environment(databases: Databases, kind: str) -> Iterator[Environment]:
    """Yield an environment on a migrated database of this kind, `sqlite` or `postgres`."""
    url, template = databases.migrated(kind), databases.migrated("sqlite")
    data_dir = Path(tempfile.mkdtemp(prefix="pw-model-", dir=MEMORY if MEMORY.is_dir() else None))
    lock_dir = data_dir / "locks"
    processes = (ProcessDatabase(url), ProcessDatabase(url), ProcessDatabase(url))

    def clear() -> None:
        for left in (lock_dir, data_dir / "blind"):
            shutil.rmtree(left, ignore_errors=True)
        lock_dir.mkdir()
        if kind == "postgres":
            databases.postgres.clear(url)
            assert databases.postgres.migrated() == url, "another database was migrated"
        else:
            _copy(template, url)

    try:
        with interruptions.instrumented():
            yield Environment(processes, clear, lock_dir)
    finally:
        for database in processes:
            database.close()
        shutil.rmtree(data_dir)
        databases.release(template)
        databases.release(url)


def _copy(template: str, to: str) -> None:
    """Copy the content into the file `to`; connections that have it open stay valid."""
    with (
        closing(sqlite3.connect(make_url(template).database or "")) as source,
        closing(sqlite3.connect(make_url(to).database or "")) as target,
    ):
        source.backup(target)
