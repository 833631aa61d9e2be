"""How often each loop of a node's workers has failed, for /metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "loop_failures",
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("loop", sa.String(length=40), nullable=False),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("node", "loop"),
    )


def downgrade() -> None:
    op.drop_table("loop_failures")
