"""Requests for the logs of a service that no window holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_reads", sa.Column("stack", sa.String(120), nullable=True))


def downgrade() -> None:
    # A request without a window means nothing to the version before.
    op.execute("DELETE FROM log_reads WHERE stack IS NOT NULL")
    with op.batch_alter_table("log_reads") as table:
        table.drop_column("stack")
