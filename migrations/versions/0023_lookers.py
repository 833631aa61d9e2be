"""Which agents and paths only look, for each bound token; null for those that are built in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_COLUMNS = ("agents", "paths")


def upgrade() -> None:
    for column in _COLUMNS:
        op.add_column("wakes", sa.Column(column, sa.JSON(), nullable=True))


def downgrade() -> None:
    for column in reversed(_COLUMNS):
        op.drop_column("wakes", column)
