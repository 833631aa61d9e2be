"""Several workers and nodes, windows that wait, refused changes, and calls made without the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("engine_id", sa.String(length=120), nullable=False),
        sa.Column("locks_id", sa.String(length=64), nullable=False),
        sa.Column("stacks", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("workers_of_node", "workers", ["node"])
    with op.batch_alter_table("stacks") as stacks:
        stacks.add_column(sa.Column("refused", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("windows") as windows:
        windows.add_column(sa.Column("waiting_for", sa.String(length=16), nullable=True))
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("journal_id", sa.String(length=64), nullable=True))
        calls.add_column(sa.Column("blind", sa.Boolean(), nullable=False, server_default=sa.false()))
        calls.create_index("calls_of_journal", ["journal_id"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("calls") as calls:
        calls.drop_index("calls_of_journal")
        calls.drop_column("blind")
        calls.drop_column("journal_id")
    with op.batch_alter_table("windows") as windows:
        windows.drop_column("waiting_for")
    with op.batch_alter_table("stacks") as stacks:
        stacks.drop_column("refused")
    op.drop_index("workers_of_node", "workers")
    op.drop_table("workers")
