from __future__ import annotations

from dataclasses import replace

from sqlalchemy import delete, select, update

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import services, stacks
from app.store.namespace_rows import NAMESPACE_COLUMNS, limit_session
from app.store.tables import (
    Boot,
    BuildOutput,
    ClockOffset,
    ConsoleSession,
    Delivery,
    Link,
    LogRead,
    LoopFailures,
    Mark,
    Node,
    Service,
    Table,
    Window,
    Worker,
)
from tests.simulated_worker import allowed
from tests.system import System, studio

SHARED = {Boot, ClockOffset, LoopFailures, Mark, Node, Worker}
"""Of the hosts, their clocks and their workers, which every namespace uses."""
BY_SECRET = {BuildOutput, ConsoleSession, Delivery, Link, LogRead}
"""Read only by a random id, or by that of a row that is limited."""


def spec(name: str) -> StackSpec:
    services_by_name = {"forge": allowed("forge")}
    return replace(studio(), name=StackId(name), project=name.replace("/", "-"), services=services_by_name)


def test_every_table_says_to_which_namespace_its_rows_belong() -> None:
    mapped = {mapper.class_ for mapper in Table.registry.mappers}
    assert mapped == set(NAMESPACE_COLUMNS) | SHARED | BY_SECRET


def test_a_limited_session_has_one_namespace(system: System) -> None:
    for name in ("team_a/studio", "team_ab/studio", "team_b/vault"):
        System(system.database, spec(name))
        system.ask_on(name, "forge")
    with system.database.write() as session:
        limit_session(session, "team_a")

        assert stacks.names(session) == ["team_a/studio"]
        assert stacks.stack_by_name(session, StackId("team_b/vault")) is None
        assert not services.of(session, StackId("team_b/vault"))
        assert [row.stack for row in session.scalars(select(Window))] == ["team_a/studio"]
        assert list(session.scalars(select(Service.stack).join(Window, Window.stack == Service.stack))) == [
            "team_a/studio"
        ]
        session.execute(update(Window).values(reason="mine"))
        session.execute(delete(Service))
    with system.database.read() as session:
        reasons = {row.stack: row.reason for row in session.scalars(select(Window))}
        assert {name for name, reason in reasons.items() if reason} == {"team_a/studio"}
        assert {row.stack for row in session.scalars(select(Service))} >= {"team_b/vault", "team_ab/studio"}
