"""Leases and owed offs name the project and the engine where they are, and stacks the engine they are on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_COLUMNS = {"stacks": ["engine_id"], "services": ["project", "engine_id"], "leases": ["project", "engine_id"]}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.add_column(
                    sa.Column(column, sa.String(length=120), nullable=False, server_default="")
                )
    # Until now a stack was served on one engine, its node's, and in one project.
    op.execute(
        "UPDATE stacks SET engine_id ="
        " coalesce((SELECT engine_id FROM nodes WHERE nodes.name = stacks.node), '')"
    )
    for table, those in (("services", "services.owed"), ("leases", "1 = 1")):
        for column in ("project", "engine_id"):
            known = f"(SELECT {column} FROM stacks WHERE stacks.name = {table}.stack)"
            op.execute(f"UPDATE {table} SET {column} = coalesce({known}, '') WHERE {those}")


def downgrade() -> None:
    for table, columns in reversed(_COLUMNS.items()):
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column)
