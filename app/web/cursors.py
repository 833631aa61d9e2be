"""Cursors of lists: a position as opaque text, and the split of rows into one page and its cursor."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from app.store.paging import RowPlace
from app.store.tables import IntentRequest, Notice, ScenarioRun, Window
from app.web import problems
from app.web.problems import ApiError

PageItem = TypeVar("PageItem")
NewestFirst = TypeVar("NewestFirst", Window, Notice, ScenarioRun, IntentRequest)


def split_page(
    rows: Sequence[PageItem], limit: int, position: Callable[[PageItem], tuple[Any, ...]]
) -> tuple[Sequence[PageItem], str | None]:
    """The first `limit` rows, and the cursor of the next page; None where there are no more rows."""
    page = rows[:limit]
    return page, encode(*position(page[-1])) if len(rows) > limit else None


def split_newest(rows: Sequence[NewestFirst], limit: int) -> tuple[Sequence[NewestFirst], str | None]:
    """`split_page` of rows that are listed newest first, by `created_at` and id."""
    return split_page(rows, limit, lambda row: (row.created_at, row.id))


def decode_newest(given: str | None, field: str = "cursor") -> RowPlace | None:
    """The position of a cursor of `split_newest`; None for none. Raises ApiError for any other text."""
    if not given:
        return None
    created_at, row_id = decode(given, field, datetime, str)
    return created_at, row_id


def encode(*position: Any) -> str:
    """The cursor of a position in a list; clients send it back unchanged."""
    text = json.dumps(position, separators=(",", ":"), default=datetime.isoformat)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(given: str, field: str, *shape: type[Any]) -> tuple[Any, ...]:
    """The position of a cursor, as values of these types; raises ApiError for any other text."""
    try:
        padded = given + "=" * (-len(given) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(shape):
            raise ValueError("another shape")
        return tuple(_part(part, kind) for part, kind in zip(parts, shape, strict=True))
    except (ValueError, binascii.Error, TypeError, RecursionError) as error:
        detail = f"{field}: is not a cursor that was given out here; begin without one"
        raise ApiError(problems.INVALID, detail, field=field) from error


def _part(part: Any, kind: type[Any]) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None or not 1970 < moment.year < 9000:
            raise ValueError("no such time")
        return moment
    if not isinstance(part, kind) or isinstance(part, bool):
        raise TypeError("another kind")
    if isinstance(part, int) and not 0 <= part < 2**62:
        raise ValueError("out of range")
    if isinstance(part, str) and "\0" in part:
        raise ValueError("no text of ours")
    return part.encode().decode() if isinstance(part, str) else part
