"""When a service was first ready under a window: what stopped is told from what never ran."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True))
    # What is ready now was ready at some time; the window's opening is near enough.
    op.execute(
        "UPDATE leases SET ready_at ="
        " (SELECT coalesce(opened_at, created_at) FROM windows WHERE windows.id = leases.window_id)"
        " WHERE leases.ready"
    )


def downgrade() -> None:
    with op.batch_alter_table("leases") as leases:
        leases.drop_column("ready_at")
