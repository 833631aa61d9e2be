"""Why services failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "diagnoses",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("stack", sa.String(length=120), nullable=False),
        sa.Column("service", sa.String(length=120), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=True),
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("diagnoses_of_service", "diagnoses", ["stack", "service", "id"])
    op.create_index("diagnoses_in_time", "diagnoses", ["at"])


def downgrade() -> None:
    op.drop_index("diagnoses_in_time", "diagnoses")
    op.drop_index("diagnoses_of_service", "diagnoses")
    op.drop_table("diagnoses")
