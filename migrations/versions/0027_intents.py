"""Requests for intents, the output of their builds, and what images were built from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intent_requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("intent", sa.String(length=60), nullable=False),
        sa.Column("stack", sa.String(length=120), nullable=False),
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("ttl_sec", sa.Double(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("approval", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("builds", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=True),
        sa.Column("worker", sa.String(length=120), nullable=False),
        sa.Column("approved_by", sa.String(length=120), nullable=True),
        sa.Column("cancelled_by", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("intent_requests_newest", "intent_requests", ["created_at", "id"])
    op.create_index("intent_requests_by_state", "intent_requests", ["state", "node"])
    op.create_table(
        "build_output",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("build_output_of_request", "build_output", ["request_id", "id"])
    op.create_table(
        "service_builds",
        sa.Column("stack", sa.String(length=120), nullable=False),
        sa.Column("service", sa.String(length=120), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("image_id", sa.String(length=120), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("stack", "service"),
    )


def downgrade() -> None:
    op.drop_table("service_builds")
    op.drop_index("build_output_of_request", "build_output")
    op.drop_table("build_output")
    op.drop_index("intent_requests_by_state", "intent_requests")
    op.drop_index("intent_requests_newest", "intent_requests")
    op.drop_table("intent_requests")
