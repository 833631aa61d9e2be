"""What all tables share: the base class and the column types for times and closed words."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Integer,
    String,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from app.domain.stack_id import StackId

BigId = BigInteger().with_variant(Integer, "sqlite")


LONGEST_MS = 2**31 - 1
"""Milliseconds that a column of 32 bits holds at most, 24 days; a writer cuts a longer time to this."""


class Moment(TypeDecorator[datetime]):
    """UTC with microseconds; a time without a zone is refused, since it names no moment."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC, without a zone for SQLite and with one for PostgreSQL; raises ValueError where it has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """The time with the zone UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Closed = TypeVar("Closed", bound=StrEnum)


class EnumColumn(TypeDecorator[Closed]):
    """A column of closed words, which loads as a member of its enum.

    A word that is none of them, which a newer version or a person may have written, is read as
    `otherwise` and stays in the row as it is: one such row keeps no other from being read.
    """

    impl = String
    cache_ok = True

    def __init__(self, words: type[Closed], otherwise: Closed | None) -> None:
        super().__init__(16)
        self.words, self.otherwise = words, otherwise

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """The word as text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Closed | None:
        """The member of the enum; the column's substitute for a word that this version does not know."""
        if value is None:
            return None
        try:
            return self.words(value)
        except ValueError:
            return self.otherwise


class Table(DeclarativeBase):
    """The base class of all rows."""

    type_annotation_map = {  # noqa: RUF012
        datetime: Moment(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        list[StackId]: JSON(),
    }


def insert_if_new(session: Session, table: type[Table]) -> Any:
    """An INSERT that leaves a row which is there as it is, and waits for one that is being made."""
    postgres = session.get_bind().dialect.name == "postgresql"
    return (postgresql.insert(table) if postgres else sqlite.insert(table)).on_conflict_do_nothing()


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as every answer writes its times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
