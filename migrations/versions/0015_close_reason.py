"""Why a window ends in one word, who began that, and the sentence that was all there was before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_CLOCK, _PRODUCT = "clock", "power-windows"
_SENTENCES = (
    (re.compile(r"its time was up\b"), "expired", _CLOCK),
    (re.compile(r"nothing came up: "), "failed", _PRODUCT),
    (re.compile(r"waited in vain for node "), "lost", _PRODUCT),
    (re.compile(r"there is no stack "), "lost", _PRODUCT),
    (re.compile(r"stack '.*' was rejected by its worker: "), "lost", _PRODUCT),
)
"""What the program itself said, by how it began."""
_PERSON = re.compile(r"(?:closed|forced) by ([A-Za-z0-9][A-Za-z0-9._-]{0,79}?)(?=[:;,]|$)")
_BATCH = 1000


class Ending(NamedTuple):
    """`close_reason` and `closed_by` of a window."""

    word: str
    by: str | None


def upgrade() -> None:
    with op.batch_alter_table("windows") as windows:
        windows.add_column(sa.Column("closed_by", sa.String(length=120), nullable=True))
        windows.add_column(sa.Column("close_detail", sa.Text(), nullable=True))
    op.execute("UPDATE windows SET close_detail = close_reason")
    _put_words(op.get_bind())
    with op.batch_alter_table("windows") as windows:
        windows.alter_column("close_reason", existing_type=sa.Text(), type_=sa.String(length=16))


def downgrade() -> None:
    with op.batch_alter_table("windows") as windows:
        windows.alter_column("close_reason", existing_type=sa.String(length=16), type_=sa.Text())
    op.execute("UPDATE windows SET close_reason = close_detail")
    with op.batch_alter_table("windows") as windows:
        windows.drop_column("close_detail")
        windows.drop_column("closed_by")


def _put_words(connection: sa.Connection) -> None:
    """Say in one word why each window ended that says it in a sentence."""
    rows = connection.execute(
        sa.text(
            "SELECT id, forced, status, opening_at, close_detail FROM windows WHERE close_detail IS NOT NULL"
        )
    )
    windows = [dict(row) for row in rows.mappings()]
    actors = _actors(connection)
    for start in range(0, len(windows), _BATCH):
        connection.execute(
            sa.text("UPDATE windows SET close_reason = :word, closed_by = :by WHERE id = :id"),
            [
                {"id": row["id"], **ending(row, actors.get(row["id"]))._asdict()}
                for row in windows[start : start + _BATCH]
            ],
        )


def _actors(connection: sa.Connection) -> dict[str, str]:
    """Who began the closing of each window, or forced it later, as far as the trail is not archived."""
    closings = connection.execute(
        sa.text(
            "SELECT window_id, actor, event FROM audit"
            " WHERE event IN ('window.closing', 'window.closed') AND window_id IS NOT NULL ORDER BY id"
        )
    ).all()
    closed = {window: actor for window, actor, event in closings if event == "window.closed"}
    return closed | {window: actor for window, actor, event in closings if event == "window.closing"}


def ending(window: Mapping[str, Any], actor: str | None) -> Ending:
    """The word for one window; what a person wrote as a reason is as good as `manual`."""
    sentence = window["close_detail"]
    person = _PERSON.match(sentence)
    by = actor or (person[1] if person else None)
    if window["forced"]:
        return Ending("forced", by)
    if person:
        return Ending("manual", by)
    if by not in {None, _CLOCK, _PRODUCT}:
        return Ending("manual", by)
    for start, word, product in _SENTENCES:
        if start.match(sentence):
            return Ending(word, by or product)
    if by == _CLOCK:
        return Ending("expired", by)
    refused = by == _PRODUCT or (window["opening_at"] is None and window["status"] == "fail")
    return Ending("failed", by or _PRODUCT) if refused else Ending("manual", by)
