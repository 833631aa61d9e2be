"""The newest windows of one state are found without a walk over all that are closed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("windows_newest_by_state", "windows", ["state", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("windows_newest_by_state", "windows")
