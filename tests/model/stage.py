"""Where the machine plays: a database that is emptied between runs rather than made anew."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.databases import Databases
from tests.model import crashes
from tests.model.crew import Way
from tests.model.machine import Stage

MEMORY = Path("/dev/shm")
"""Where files are synced at no cost; nothing here is to outlive the machine's power."""


@contextmanager
def stage(databases: Databases, kind: str) -> Iterator[Stage]:
    url, template = databases.migrated(kind), databases.migrated("sqlite")
    data_dir = Path(tempfile.mkdtemp(prefix="pw-model-", dir=MEMORY if MEMORY.is_dir() else None))
    lock_dir = data_dir / "locks"
    ways = (Way(url), Way(url), Way(url))

    def empty() -> None:
        for left in (lock_dir, data_dir / "blind"):
            shutil.rmtree(left, ignore_errors=True)
        lock_dir.mkdir()
        if kind == "postgres":
            databases.postgres.clear(url)
            assert databases.postgres.migrated() == url, "it is still ours"
        else:
            _copy(template, url)

    try:
        with crashes.points():
            yield Stage(ways, empty, lock_dir)
    finally:
        for way in ways:
            way.close()
        shutil.rmtree(data_dir)
        databases.release(template)
        databases.release(url)


def _copy(template: str, to: str) -> None:
    """Into a file that stays the same file, so that whoever has it open need not open it anew."""
    with (
        closing(sqlite3.connect(make_url(template).database or "")) as source,
        closing(sqlite3.connect(make_url(to).database or "")) as target,
    ):
        source.backup(target)
