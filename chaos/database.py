"""The run's own PostgreSQL: a real server, from the binaries that the tests use too.

It keeps its word when it is killed: what it confirmed was written. Only the machine's own
crash, which no fault here causes, could still lose it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from chaos.processes import ManagedProcess
from tests.databases import UNPRIVILEGED, binaries, not_root

NAME = "power"
PORT = 5432


class Postgres:
    """`disk` holds its data; `home` its binaries and its socket."""

    def __init__(self, home: Path, disk: Path) -> None:
        self.home, self._data = home, disk / "data"
        self.log = home.with_suffix(".log")
        home.mkdir(mode=0o755)
        self._data.mkdir(mode=0o700)
        self._sockets = home / "socket"
        self._sockets.mkdir(mode=0o755)
        for mine in (self._data, self._sockets):
            if os.geteuid() == 0:
                os.chown(mine, UNPRIVILEGED, UNPRIVILEGED)
        self._bin = binaries(home)
        options = [
            "-U",
            "postgres",
            "-A",
            "trust",
            "--encoding=utf8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        ]
        initdb = [str(self._bin / "initdb"), "-D", str(self._data), *options]
        subprocess.run([*not_root(), *initdb], check=True, capture_output=True, cwd="/")

    @property
    def socket(self) -> Path:
        return self._sockets / f".s.PGSQL.{PORT}"

    def managed_process(self, environ: dict[str, str]) -> ManagedProcess:
        words = (
            "fsync=off",
            "synchronous_commit=on",
            "max_connections=400",
            "max_wal_size=32MB",
            "min_wal_size=2MB",
        )
        options = [word for setting in words for word in ("-c", setting)]
        place = ["-D", str(self._data), "-h", "", "-k", str(self._sockets)]
        argv = [*not_root(), "setpriv", "--pdeathsig", "KILL", str(self._bin / "postgres"), *place, *options]
        return ManagedProcess(
            "database", argv, environ, self.log, lambda _: self.answers(), leave=signal.SIGQUIT
        )

    def answers(self) -> bool:
        try:
            with self._connected("postgres") as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def create(self) -> None:
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {NAME}".encode())

    def rows(self, *queries: str) -> list[list[dict[str, Any]]]:
        """What these find at one and the same moment, past all wires."""
        with self._connected(NAME) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor = connection.cursor(row_factory=dict_row)
            return [cursor.execute(query.encode()).fetchall() for query in queries]

    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/{NAME}?host={self._sockets}"

    @contextlib.contextmanager
    def _connected(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        address = f"host={self._sockets} user=postgres dbname={database} connect_timeout=2"
        options = "-c statement_timeout=20000"
        with psycopg.connect(address, options=options, autocommit=True) as connection:
            yield connection
