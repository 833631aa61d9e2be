"""Services say when a running container is of no use: its start has failed, or what it refers to is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_COLUMNS = ("severed", "start_failed")


def upgrade() -> None:
    with op.batch_alter_table("services") as altered:
        for column in _COLUMNS:
            altered.add_column(sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("services") as altered:
        for column in reversed(_COLUMNS):
            altered.drop_column(column)
