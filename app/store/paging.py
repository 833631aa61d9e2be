"""Pages of rows, newest first, from a row whose place the caller remembers."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, tuple_

from app.store.tables import IntentRequest, Notice, ScenarioRun, Window

PagedRow = TypeVar("PagedRow", Window, Notice, ScenarioRun, IntentRequest)
RowPlace = tuple[datetime, str]
"""Where a page ended: `created_at` and id of its last row."""


def newest_first(
    query: Select[PagedRow], table: type[PagedRow], before: RowPlace | None, limit: int
) -> Select[PagedRow]:
    """The query for at most `limit` rows, newest first, older than `before` where that is given."""
    ordered = query.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    return ordered if before is None else ordered.where(tuple_(table.created_at, table.id) < tuple_(*before))
