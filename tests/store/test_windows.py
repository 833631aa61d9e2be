"""What is asked all day long is found by what is under way, never by a walk over all that ever was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert
from sqlalchemy.orm import Session

from app.domain.enums import State
from app.domain.stack_id import StackId
from app.store import windows as rows
from app.store.database import Database
from app.store.tables import Window
from tests.databases import Databases
from tests.system import NOON, System

ASKED = {
    "unfinished": lambda session: rows.unfinished_windows(session, StackId("studio")),
    "moving_of": lambda session: rows.moving_of(session, StackId("studio")),
    "live_leases": lambda session: rows.live_leases(session, [StackId("studio")], NOON),
    "due": lambda session: rows.due(session, NOON, "local"),
    "next_deadline": lambda session: rows.next_deadline(session, "local"),
    "counts": rows.counts,
    "live_of": lambda session: rows.live_of(session, "ada", NOON),
    "attempted": lambda session: rows.record_kill(session, StackId("studio"), "forge"),
    "page of a state": lambda session: rows.page(session, state=State.OPEN),
    "page of a stack's state": lambda session: rows.page(session, stack=StackId("studio"), state=State.OPEN),
}


@pytest.fixture
def long_lived(databases: Databases) -> Iterator[Database]:
    """A SQLite that has seen some windows; it keeps no statistics, so a few are as good as a million."""
    url = databases.migrated("sqlite")
    database = databases.way(url)
    window = {"stack": "studio", "node": "local", "actor": "ada", "services": [], "ttl_sec": 60.0}
    past = {"state": State.CLOSED, "created_at": NOON, "deadline": NOON}
    with database.write() as session:
        session.execute(insert(Window).values([{"id": str(n), **window, **past} for n in range(50)]))
    yield database
    databases.release(url)


@pytest.mark.parametrize("name", ASKED)
def test_closed_windows_cost_nothing(long_lived: Database, name: str) -> None:
    plans = _plans(long_lived, ASKED[name])
    assert plans
    for plan in plans:
        walked = [step for step in plan if step.startswith("SCAN") or " windows " in step]
        assert walked, plan
        assert all("state=?" in step for step in walked), plan


def _plans(database: Database, ask: Callable[[Session], Any]) -> list[list[str]]:
    """How SQLite would go about each statement about windows."""
    statements: list[tuple[str, Any]] = []

    def hear(
        _c: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if "windows.state" in statement:
            statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", hear)
    with database.write() as session:
        ask(session)
        event.remove(database.engine, "before_cursor_execute", hear)
        connection = session.connection()
        return [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in statements
        ]


def test_windows_come_newest_first_in_pages(system: System) -> None:
    opened = []
    for number in range(5):
        system.now += timedelta(seconds=1)
        opened.append(system.ask("forge" if number % 2 else "mill")[0])
    with system.database.read() as session:
        first = rows.page(session, limit=2)
        rest = rows.page(session, before=(first[-1].created_at, first[-1].id))
        assert [window.id for window in [*first, *rest]] == opened[::-1]
        assert [
            window.id for window in rows.page(session, stack=StackId("studio"), state=State.OPENING)
        ] == opened[::-1]
        assert rows.page(session, state=State.OPEN) == rows.page(session, stack=StackId("other")) == []


def test_windows_of_the_same_moment_are_all_on_some_page(system: System) -> None:
    opened = {system.ask("forge")[0] for _ in range(4)}
    ids: list[str] = []
    with system.database.read() as session:
        before = None
        while page := rows.page(session, before=before, limit=1):
            ids.append(page[0].id)
            before = (page[0].created_at, page[0].id)
    assert sorted(ids) == sorted(opened)
