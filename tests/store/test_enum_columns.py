"""Closed words load as members of their enums on both databases, and a strange one breaks no query."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any, get_args

import pytest
from sqlalchemy import Column, Table, select, text

from app.domain.enums import Power, Role, State
from app.domain.stack_id import StackId
from app.store import services
from app.store import tables as models
from app.store import windows as rows
from app.store.database import Database
from app.store.tables import EnumColumn, IntentRequest, ScenarioRun
from tests.system import System

COLUMNS = [
    (mapper, attribute.key, attribute.columns[0])
    for mapper in models.Table.registry.mappers
    for attribute in mapper.column_attrs
]


def enum_of(mapper: Any, key: str) -> type[StrEnum] | None:
    """The enum that a column is annotated with, if any."""
    annotation = getattr(mapper.class_, "__annotations__", {}).get(key, "")
    defined_in = vars(sys.modules[mapper.class_.__module__])
    evaluated = eval(str(annotation), defined_in) if annotation else None
    inner = [*get_args(evaluated), *(one for arg in get_args(evaluated) for one in get_args(arg))]
    return next((one for one in inner if isinstance(one, type) and issubclass(one, StrEnum)), None)


def test_every_column_that_is_annotated_with_an_enum_is_a_column_of_words() -> None:
    enums = {(mapper.class_.__name__, key): enum_of(mapper, key) for mapper, key, _column in COLUMNS}
    words = {
        (mapper.class_.__name__, key): column.type.words
        for mapper, key, column in COLUMNS
        if isinstance(column.type, EnumColumn)
    }
    assert {name: enum for name, enum in enums.items() if enum} == words
    assert len(words) >= 8


# In one order in every process, as tests that run in parallel need it.
WORDS = sorted((column for _mapper, _key, column in COLUMNS if isinstance(column.type, EnumColumn)), key=str)


def _with_rows(system: System) -> None:
    """Put a row into every table that has such a column."""
    system.open("forge")
    run = {"stack": "studio", "node": "local", "name": "cycle", "actor": "ada", "services": []}
    with system.database.write() as session:
        session.add(ScenarioRun(id="r", **run, document={}, created_at=system.now))
        wish = {"intent": "translate", "stack": "studio", "node": "local", "actor": "ada", "services": []}
        session.add(IntentRequest(id="i", **wish, state="queued", created_at=system.now))


@pytest.mark.parametrize("column", WORDS, ids=str)
def test_each_word_loads_as_a_member_on_both_databases(system: System, column: Column[Any]) -> None:
    _with_rows(system)
    table, kind = column.table, column.type
    assert isinstance(table, Table)
    assert isinstance(kind, EnumColumn)
    for member in kind.words:
        with system.database.write() as session:
            session.execute(table.update().values({column.name: member}))
        with system.database.read() as session:
            members = session.scalars(select(column)).all()
        assert members
        assert all(one is member for one in members)


@pytest.mark.parametrize("column", WORDS, ids=str)
def test_a_strange_word_breaks_no_query_and_stays_in_its_row(system: System, column: Column[Any]) -> None:
    _with_rows(system)
    assert isinstance(column.type, EnumColumn)
    with system.database.write() as session:
        session.execute(text(f"UPDATE {column.table.name} SET {column.name} = 'strange'"))

    with system.database.read() as session:
        assert set(session.scalars(select(column))) == {column.type.otherwise}
        assert session.scalar(text(f"SELECT max({column.name}) FROM {column.table.name}")) == "strange"


def test_a_strange_window_keeps_no_other_from_its_end(system: System, database: Database) -> None:
    strange, other = system.open("forge", ttl=60), system.open("mill", ttl=60)
    with database.write() as session:
        session.execute(text("UPDATE windows SET state = 'strange' WHERE id = :id"), {"id": strange})

    system.tick(61)

    assert system.state(other) == "closed"
    with database.read() as session:
        listed = rows.page(session)
    assert {one.id: one.state for one in listed}[strange] is State.CLOSED


def test_a_strange_power_is_as_unknown_and_a_strange_role_as_none(system: System, database: Database) -> None:
    system.open("forge")
    with database.write() as session:
        session.execute(text("UPDATE services SET power = 'strange', role = 'strange' WHERE name = 'forge'"))
    with database.read() as session:
        row = services.of(session, StackId("studio"))["forge"]
    assert (row.power, row.role) == (Power.UNKNOWN, Role.NONE)
