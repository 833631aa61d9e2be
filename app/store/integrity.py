"""Does this database belong to Power Windows, and is it intact? Checked before an upgrade, and by the
doctor.

An upgrade of another program's database would create our tables in it. A damaged database is left
unchanged for the operator to repair.
"""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Inspector, create_engine, inspect

from app.settings import service_urls

_OURS = {"windows", "leases", "audit_heads"}
"""Tables that are there since the first schema."""


class Unsound(Exception):
    """A database that must not be used; `file` is None for one on a server."""

    def __init__(self, why: str, file: Path | None) -> None:
        super().__init__(why)
        self.file = file


def require(url: str) -> None:
    """Raises Unsound for a database that is damaged or another program's, else what the store raises.

    A file that is not there, and an empty one, is sound.
    """
    file = service_urls.file_of(url)
    if file is not None:
        if not file.exists():
            return
        _require_whole(file)
    engine = create_engine(url)
    try:
        _require_ours(inspect(engine), file)
    finally:
        engine.dispose()


def mends(file: Path, data_dir: Path) -> tuple[str, str]:
    """Return two alternative repairs: restore a backup, or begin with a new file and keep the old one."""
    folder, everything = file.parent / "damaged", f"{shlex.quote(str(file))}*"
    return (
        f"POWER_DATA_DIR={shlex.quote(str(data_dir))} power restore BACKUP",
        f"mkdir -p {shlex.quote(str(folder))} && mv {everything} {shlex.quote(str(folder))}",
    )


def _require_whole(file: Path) -> None:
    if not file.is_file():
        raise Unsound(f"{file} is no file", file)
    try:
        with closing(sqlite3.connect(file, timeout=10)) as one:
            verdict = one.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        # It is locked or cannot be opened; its next user gets that error.
        return
    except sqlite3.DatabaseError as error:
        raise Unsound(f"{file} is damaged: {error}", file) from error
    if verdict != "ok":
        raise Unsound(f"{file} is damaged: {' '.join(verdict.split())}", file)


def _require_ours(inspector: Inspector, file: Path | None) -> None:
    tables = set(inspector.get_table_names())
    if tables and not tables >= _OURS and tables != {"alembic_version"}:
        where = str(file) if file else "the database of POWER_DATABASE_URL"
        raise Unsound(
            f"{where} is another program's database (it has the table {min(tables)!r}); name one of its own",
            file,
        )
