"""`python -m migrations`: bring the environment's database up to date, ask where it is, or go back.

Any number of processes may do this at the same time, and one that was killed is run again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic.util.exc import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

import migrations
from app import settings
from app.store import integrity, schema
from app.store.integrity import Unsound
from app.store.schema import Mismatch


def main(words: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(words)
    try:
        _DO[given.what](settings.load().database_url, given.to)
    except settings.ConfigError as error:
        return _failed("\nmigrations: ".join(error.faults))
    except (CommandError, Mismatch, Unsound) as error:
        return _failed(str(error))
    except (SQLAlchemyError, ArgumentError, ImportError, OSError) as error:
        return _failed(f"the database cannot be used: {str(error).partition(chr(10))[0]}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m migrations",
        description="Bring the database of POWER_DATABASE_URL (else the one in POWER_DATA_DIR) up to date.",
    )
    parser.add_argument("what", nargs="?", choices=sorted(_DO), default="upgrade")
    parser.add_argument(
        "to", nargs="?", help="a revision; upgrade: head unless given, downgrade: one step back"
    )
    return parser


def _failed(why: str) -> int:
    sys.stderr.write(f"migrations: {why}\n")
    return 1


def _upgrade(url: str, to: str | None) -> None:
    database = make_url(url).database
    if url.startswith("sqlite") and database:
        Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    integrity.require(url)
    before = migrations.current(url)
    if before is not None and before not in schema.KNOWN:
        schema.check(before)
    migrations.upgrade(url, to or "head")
    _say(f"was at {before or 'nothing'}, is at {migrations.current(url)}")


def _downgrade(url: str, to: str | None) -> None:
    before = migrations.current(url)
    migrations.downgrade(url, to or "-1")
    _say(f"was at {before or 'nothing'}, is at {migrations.current(url) or 'nothing'}")


def _current(url: str, _to: str | None) -> None:
    _say(f"{migrations.current(url) or 'nothing'} (newest: {migrations.head()})")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


_DO = {"upgrade": _upgrade, "downgrade": _downgrade, "current": _current}

if __name__ == "__main__":
    # What is made here is ours alone, as a standalone makes it.
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main())
