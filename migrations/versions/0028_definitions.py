"""Services that run with an older definition, and services whose image the engine lacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = ("outdated", "image_missing")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("services", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("services") as table:
        for name in reversed(_COLUMNS):
            table.drop_column(name)
