"""A system with closed windows of 200 days ago, and `power audit archive` on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.store import retention
from app.store.database import Database
from tests.system import System

LONG_AGO = datetime.now(UTC) - timedelta(days=200)
Run = Callable[..., Result]


@pytest.fixture
def old(database: Database) -> System:
    """A system with closed windows of 200 days ago."""
    system = System(database, now=LONG_AGO)
    for _ in range(3):
        system.close(system.open("forge", "mill"))
    return system


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    for name in ("POWER_URL", "POWER_TOKEN", "POWER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("POWER_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(main, ["audit", *map(str, words)])


def archived(run: Run, where: Path, *more: str) -> list[Path]:
    result = run("archive", "--before", "90d", "--to", where, *more)
    assert result.exit_code == 0, result.output
    return sorted(where.glob("audit-studio-*"))


def heads(database: Database) -> dict[str, tuple[int, int]]:
    with database.read() as session:
        return {head.chain: (head.archived_seq, head.seq) for head in retention.heads(session)}
