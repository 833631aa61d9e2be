"""Tokens that are bound to one service's waiting page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wakes",
        sa.Column("token", sa.String(length=120), nullable=False),
        sa.Column("stack", sa.String(length=120), nullable=False),
        sa.Column("service", sa.String(length=120), nullable=False),
        sa.Column("ttl_sec", sa.Double(), nullable=True),
        sa.Column("window_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("token"),
    )


def downgrade() -> None:
    op.drop_table("wakes")
