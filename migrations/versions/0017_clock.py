"""By how much the house clock differs from the database's, and when each host was booted by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "house_clock",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("offset_sec", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "boots",
        sa.Column("boot_id", sa.String(length=64), nullable=False),
        sa.Column("booted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("boot_id"),
    )


def downgrade() -> None:
    op.drop_table("boots")
    op.drop_table("house_clock")
