"""The schema goes up and down with rows in every table, and is what the models say, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import create_engine, func, inspect, select

import migrations
from app.store.database import Database
from app.store.tables import (
    Boot,
    BuildOutput,
    ClockOffset,
    ConsoleSession,
    Delivery,
    Diagnosis,
    IdempotencyKey,
    IntentRequest,
    Link,
    LogRead,
    LoopFailures,
    Mark,
    Node,
    Notice,
    NoticePlace,
    Sample,
    ScenarioRun,
    ServiceBuild,
    Table,
    Token,
    Wake,
    Worker,
)
from tests.databases import Databases
from tests.system import NOON, System


@pytest.fixture(params=Databases.KINDS)
def empty(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    url = databases.empty(request.param)
    yield url
    databases.release(url, migrated=False)


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names - {"alembic_version"}


def lived_in(url: str) -> None:
    """Put rows into every table."""
    database = Database(url)
    system = System(database)
    system.close(system.open("forge", "api"))
    with database.write() as session:
        session.add(Node(name="local", engine_id="e", worker="w", started_at=NOON, seen_at=NOON))
        session.add(
            Worker(
                name="w", node="local", engine_id="e", locks_id="l", stacks=[], started_at=NOON, seen_at=NOON
            )
        )
        session.add(Mark(name="restored", at=NOON))
        session.add(ClockOffset(name="house", offset_sec=7200.0, changed_at=NOON))
        session.add(Boot(boot_id="b", booted_at=NOON, noted_at=NOON))
        notice = {"node": "local", "sink": "ops", "key": "k", "event": "window.stuck", "stack": "studio"}
        session.add(Notice(id="n", **notice, body={}, next_at=NOON, created_at=NOON))
        session.add(Delivery(notice_id="n", at=NOON, elapsed_ms=1, ok=True, said="200"))
        session.add(NoticePlace(node="local", sink="ops", chain="studio", seq=1))
        session.add(Link(digest="d", window_id="w", sink="ops", ttl_sec=1.0, expires_at=NOON))
        session.add(Sample(stack="studio", service="forge", at=NOON, cpu=0.5, memory=1))
        session.add(Diagnosis(stack="studio", service="forge", node="local", at=NOON, causes=[]))
        session.add(LoopFailures(node="local", loop="looks", failures=1))
        session.add(ConsoleSession(digest="d", token_digest="d", created_at=NOON, expires_at=NOON))
        session.add(
            LogRead(id="r", window_id="w", node="local", services=["forge"], tail=1, after={}, asked_at=NOON)
        )
        run = {"stack": "studio", "node": "local", "name": "cycle", "actor": "ada", "services": ["forge"]}
        session.add(ScenarioRun(id="r", **run, document={}, created_at=NOON))
        wish = {"intent": "translate", "stack": "studio", "node": "local", "actor": "ada", "services": []}
        session.add(IntentRequest(id="i", **wish, state="queued", created_at=NOON))
        session.add(BuildOutput(request_id="i", service="forge", at=NOON, text="Step 1"))
        built = {"content": "c", "image_id": "sha256:1", "built_at": NOON}
        session.add(ServiceBuild(stack="studio", service="forge", **built))
        session.add(Token(name="ada", digest="d", scope="admin", created_at=NOON))
        session.add(Wake(token="door", stack="studio", service="forge"))
        session.add(IdempotencyKey(token="ada", key="k", body="b", window_id="w", created_at=NOON))
    with database.read() as session:
        counts = {
            name: session.scalar(select(func.count()).select_from(t))
            for name, t in Table.metadata.tables.items()
        }
    database.close()
    assert all(counts.values()), counts


def test_up_and_down_and_up_again_with_rows(empty: str) -> None:
    assert migrations.current(empty) is None
    migrations.upgrade(empty)
    assert migrations.current(empty) == migrations.head()
    assert tables(empty) == set(Table.metadata.tables)
    lived_in(empty)

    migrations.downgrade(empty, "base")
    assert tables(empty) == set()

    migrations.upgrade(empty)
    lived_in(empty)


def test_upgrading_what_is_up_to_date_changes_nothing(empty: str) -> None:
    migrations.upgrade(empty)
    lived_in(empty)
    migrations.upgrade(empty)
    database = Database(empty)
    with database.read() as session:
        assert session.get(Token, "ada")
    database.close()


def test_migrations_are_in_step_with_the_models(database_url: str) -> None:
    command.check(migrations.config(database_url))


def test_nothing_refers_to_the_trail_and_the_trail_to_nothing() -> None:
    trail = {"audit", "audit_heads"}
    for table in Table.metadata.tables.values():
        aimed_at = {key.column.table.name for key in table.foreign_keys}
        assert not aimed_at & trail
        assert not (table.name in trail and aimed_at)
