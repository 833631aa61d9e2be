"""Old entries may leave the trail once they are in a file, and a database remembers that it was restored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util.exc import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_GENESIS = "0" * 64
_APPEND_ONLY = "'the audit trail is append-only'"
_ONWARDS = "'what is archived grows up to an entry that is there, and never shrinks'"
_KEPT = "OLD.seq > COALESCE((SELECT archived_seq FROM audit_heads WHERE audit_heads.chain = OLD.chain), 0)"
_NOT_ONWARDS = (
    "NEW.archived_seq < OLD.archived_seq OR NEW.archived_seq > NEW.seq OR NOT EXISTS (SELECT 1 FROM audit "
    "WHERE audit.chain = NEW.chain AND audit.seq = NEW.archived_seq AND audit.hash = NEW.archived_hash)"
)


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("audit_heads", sa.Column("archived_seq", big, nullable=False, server_default="0"))
    op.add_column(
        "audit_heads",
        sa.Column("archived_hash", sa.String(length=64), nullable=False, server_default=_GENESIS),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgres()
    else:
        _guard_sqlite()


def _guard_postgres() -> None:
    op.execute("DROP TRIGGER audit_is_append_only ON audit")
    op.execute(
        "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )
    _postgres("audit_keeps_what_is_not_archived", "DELETE ON audit", _KEPT, _APPEND_ONLY, "OLD")
    heads = "UPDATE OF archived_seq, archived_hash ON audit_heads"
    _postgres("audit_archive_grows", heads, _NOT_ONWARDS, _ONWARDS, "NEW")


def _postgres(name: str, when: str, bad: str, message: str, row: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {bad} THEN RAISE EXCEPTION {message}; END IF; RETURN {row}; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} BEFORE {when} FOR EACH ROW EXECUTE FUNCTION {name}()")


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER audit_refuses_delete")
    _sqlite("audit_refuses_delete", "DELETE ON audit", _KEPT, _APPEND_ONLY)
    heads = "UPDATE OF archived_seq, archived_hash ON audit_heads"
    _sqlite("audit_archive_grows", heads, _NOT_ONWARDS, _ONWARDS)


def _sqlite(name: str, when: str, bad: str, message: str) -> None:
    op.execute(f"CREATE TRIGGER {name} BEFORE {when} WHEN {bad} BEGIN SELECT RAISE(ABORT, {message}); END")


def downgrade() -> None:
    _refuse_what_cannot_be_said()
    if op.get_bind().dialect.name == "postgresql":
        for name, table in (
            ("audit_archive_grows", "audit_heads"),
            ("audit_keeps_what_is_not_archived", "audit"),
        ):
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
        op.execute("DROP TRIGGER audit_is_append_only ON audit")
        op.execute(
            "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        )
    else:
        op.execute("DROP TRIGGER audit_archive_grows")
        op.execute("DROP TRIGGER audit_refuses_delete")
        op.execute(
            "CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit "
            f"BEGIN SELECT RAISE(ABORT, {_APPEND_ONLY}); END"
        )
    op.drop_table("marks")
    op.drop_column("audit_heads", "archived_hash")
    op.drop_column("audit_heads", "archived_seq")


def _refuse_what_cannot_be_said() -> None:
    """The older schema knows no archive: it would call a trail that begins later broken."""
    chains = op.get_bind().scalars(
        sa.text("SELECT chain FROM audit_heads WHERE archived_seq > 0 ORDER BY chain")
    )
    if archived := list(chains):
        raise CommandError(
            f"entries of {', '.join(archived)} are archived, which the schema before 0004 cannot say; "
            "restore a backup from before the archive instead"
        )
