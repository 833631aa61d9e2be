"""How many compose calls may start at once by each worker, and why not more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("call_limit", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("workers", sa.Column("call_limit_reason", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("workers") as table:
        table.drop_column("call_limit_reason")
        table.drop_column("call_limit")
