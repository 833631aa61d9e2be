"""Rows for whatever tables a revision has, written without the models, which know only the newest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData, create_engine

from app.store import audit
from tests.system import NOON

Rows = dict[str, list[dict[str, Any]]]
_SAID = {"chain": "studio", "event": "refused", "actor": "ada", "stack": "studio", "facts": "{}"}


def fill(url: str) -> None:
    """Two rows in every table there is; those of the trail make a chain."""
    with _engine(url).begin() as connection:
        for table in _tables(connection):
            for number in (1, 2):
                if table.name == "audit_heads" and number == 2:
                    continue
                connection.execute(table.insert().values(_row(table, number)))


def _row(table: sa.Table, number: int) -> dict[str, Any]:
    if table.name == "audit":
        return _entry(number)
    if table.name == "audit_heads":
        return {"chain": "studio", "seq": 2, "hash": _entry(2)["hash"], "at": NOON}
    wanted = [column for column in table.columns if column.server_default is None]
    return {column.name: value(column, number) for column in wanted}


def _entry(number: int) -> dict[str, Any]:
    prev = _entry(number - 1)["hash"] if number > 1 else audit.GENESIS
    row = {**_SAID, "seq": number, "at": NOON, "prev": prev, "window_id": None, "service": None}
    return row | {"hash": audit.digest(row)}


def value(column: sa.Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, sa.DateTime):
        return NOON
    if isinstance(kind, sa.JSON):
        return ["forge", number]
    if isinstance(kind, sa.Boolean):
        return False
    if kind.python_type in {int, float}:
        return number
    return (
        f"{column.name[:8]}{number}" if "window" not in column.name and column.name != "id" else f"w{number}"
    )


def kept(url: str) -> Rows:
    """Everything there is, in a form that can be compared."""
    with _engine(url).connect() as connection:
        return {
            table.name: sorted(
                (_comparable(row) for row in connection.execute(table.select()).mappings()), key=repr
            )
            for table in _tables(connection)
        }


def _comparable(row: Any) -> dict[str, Any]:
    return {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


REWORDED = {("windows", "close_reason")}
"""What a step says in other words; that it says the same is a test of its own."""


def unaltered(some: Rows) -> Rows:
    """Everything but what a step says in other words."""
    return shared(some, some)


def shared(some: Rows, other: Rows) -> Rows:
    """What of the first the second has a place for."""
    return {
        name: sorted(
            (
                {
                    key: value
                    for key, value in row.items()
                    if key in other[name][0] and (name, key) not in REWORDED
                }
                for row in some[name]
            ),
            key=repr,
        )
        for name in some
        if other.get(name)
    }


def indexes(url: str) -> dict[str, list[str]]:
    inspector = sa.inspect(_engine(url))
    return {
        table: sorted(str(one["name"]) for one in inspector.get_indexes(table))
        for table in inspector.get_table_names()
    }


def faults(url: str) -> list[tuple[int, str]]:
    """What is wrong with the chain, whichever revision it is at."""
    with _engine(url).connect() as connection:
        tables = {table.name: table for table in _tables(connection)}
        rows = connection.execute(tables["audit"].select().order_by(tables["audit"].c.seq)).mappings()
        violations = [
            {**row, "at": row["at"].replace(tzinfo=NOON.tzinfo) if not row["at"].tzinfo else row["at"]}
            for row in rows
        ]
    wrong, prev = [], audit.GENESIS
    for number, row in enumerate(violations, 1):
        if row["seq"] != number or row["prev"] != prev or audit.digest(row) != row["hash"]:
            wrong.append((number, "altered"))
        prev = row["hash"]
    return wrong


def _tables(connection: Connection) -> list[sa.Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=sa.NullPool)
