"""Notices on their way to their sinks, how that went, and one-tap links."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "notices",
        _text("id", 32),
        _text("node", 120),
        _text("sink", 120),
        _text("key", 300),
        _text("event", 40),
        _text("stack", 120),
        _text("window_id", 32, nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        _text("state", 20),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("next_at"),
        _moment("created_at"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("node", "sink", "key"),
    )
    op.create_index("notices_due", "notices", ["state", "next_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        _text("notice_id", 32),
        _moment("at"),
        sa.Column("elapsed_ms", sa.Integer(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        _text("said", 300),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_deliveries_notice_id", "deliveries", ["notice_id"])
    op.create_table(
        "notice_places",
        _text("node", 120),
        _text("sink", 120),
        _text("chain", 120),
        sa.Column("seq", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("node", "sink", "chain"),
    )
    op.create_table(
        "links",
        _text("digest", 64),
        _text("window_id", 32),
        _text("sink", 120),
        sa.Column("ttl_sec", sa.Double(), nullable=False),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table("signing_keys", _text("name", 40), _text("secret", 64), sa.PrimaryKeyConstraint("name"))


def downgrade() -> None:
    for table in ("signing_keys", "links", "notice_places"):
        op.drop_table(table)
    op.drop_index("ix_deliveries_notice_id", "deliveries")
    op.drop_table("deliveries")
    op.drop_index("notices_due", "notices")
    op.drop_table("notices")
