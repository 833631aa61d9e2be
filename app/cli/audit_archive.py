"""`power audit archive`: what is old goes into files that prove themselves, and then out of the database.

It works on the database directly, beside the service while that runs. A file is whole
and read back before anything is let go, so whenever it is stopped the entries are in
both or in the file, and the next run goes on from there.
"""

from __future__ import annotations

import fcntl
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from app.archive import files
from app.archive.files import ArchiveHeader, Broken
from app.cli import environment, output
from app.domain.enums import Event
from app.store import audit, integrity, retention, schema
from app.store.database import Database
from app.usecases.windows.open import KEY_LIFETIME
from power_windows.errors import Failed, Unreachable

_AT_ONCE = 1000
"""Entries read, and let go, at once: so short is the time for which others wait."""
_WINDOWS_AT_ONCE = 200


@contextmanager
def opened() -> Iterator[Database]:
    """The database that the environment names. Raises Unreachable or Failed."""
    url = environment.load().database_url
    database = Database(url)
    if database.sqlite and not Path(database.url.database or "").is_file():
        raise Unreachable(
            f"there is no database at {database.url.database}; set POWER_DATA_DIR or POWER_DATABASE_URL"
        )
    try:
        integrity.require(url)
        with database.engine.connect():
            pass
        schema.require(database)
        yield database
    except (schema.Mismatch, integrity.Unsound) as error:
        raise Failed(str(error)) from error
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        raise Unreachable(f"the database does not answer: {said}; see POWER_DATABASE_URL") from error
    finally:
        database.close()


def run(before: float, directory: Path, *, packed: bool, as_json: bool) -> None:
    """Archive what is older than so many seconds. Raises Failed or Unreachable."""
    with opened() as database, _alone(directory):
        work = _Archive(database, directory, database.now() - timedelta(seconds=before), packed)
        try:
            work.windows()
            work.chains()
        except OSError as error:
            raise Failed(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
        except Broken as error:
            raise Failed(f"{error}; nothing of it was let go") from error
        except retention.Overtaken as error:
            raise Failed(f"somebody else has archived {error} meanwhile; run it again") from error
    _tell(work.made, as_json)


def _tell(made: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.dump({"files": made})
    elif not made:
        output.say("nothing is that old")
    else:
        for one in made:
            output.say(f"{one['file']}  {one['says']}")


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One archive at a time writes to a directory. Raises Failed."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise Failed(f"{directory}: cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.access(directory, os.W_OK):
            raise Failed(f"{directory}: cannot be written to; name another with --to")
        yield
    except BlockingIOError as error:
        raise Failed(f"another archive is writing to {directory}") from error
    finally:
        os.close(descriptor)


@dataclass
class _Archive:
    database: Database
    directory: Path
    before: datetime
    packed: bool
    made: list[dict[str, Any]] = field(default_factory=list)

    def chains(self) -> None:
        with self.database.read() as session:
            names = [head.chain for head in retention.heads(session)]
        for chain in names:
            self._chain(chain)

    def _chain(self, chain: str) -> None:
        """First what an earlier run wrote and did not let go, then what is old enough now."""
        while found := self._left(chain):
            self._let_go(found, files.check_entries(found)[0])
        with self.database.read() as session:
            head = next(one for one in retention.heads(session) if one.chain == chain)
            last = retention.entry(session, chain, retention.cut(session, head, self.before))
        if last is None or last.seq <= head.archived_seq:
            return
        said = ArchiveHeader(chain, head.archived_seq + 1, last.seq, head.archived_hash, last.hash)
        place = self.directory / said.name(packed=self.packed)
        files.write_entries(place, said, self._entries(said))
        self._let_go(place, said)

    def _left(self, chain: str) -> Path | None:
        """A file that holds the next entry of a chain already. Raises Broken for one that does not fit."""
        with self.database.read() as session:
            head = next(one for one in retention.heads(session) if one.chain == chain)
        for place in files.candidates(self.directory, chain):
            said = files.head_of(place)
            if said is None or not said.first <= head.archived_seq + 1 <= said.last:
                continue
            self._compare(place, said)
            return place
        return None

    def _compare(self, place: Path, said: ArchiveHeader) -> None:
        """Entries are let go for a file's sake only if they are those in the file."""
        files.check_entries(place)
        with self.database.read() as session:
            live = retention.entry(session, said.chain, said.last)
        if live is None or live.hash != said.hash:
            raise Broken(
                f"{place.name} is there already and is of another life of this database "
                "(was a backup restored?): name another directory with --to"
            )

    def _entries(self, said: ArchiveHeader) -> Iterator[dict[str, Any]]:
        after = said.first - 1
        while after < said.last:
            with self.database.read() as session:
                page = retention.page(session, said.chain, after, said.last, _AT_ONCE)
            if not page:
                return
            yield from (entry.as_json() for entry in page)
            after = page[-1].seq

    def _let_go(self, place: Path, said: ArchiveHeader) -> None:
        with self.database.read() as session:
            after = next(one.archived_seq for one in retention.heads(session) if one.chain == said.chain)
        while after < said.last:
            upto = min(after + _AT_ONCE, said.last)
            with self.database.write() as session:
                now = self.database.now()
                retention.let_go(session, said.chain, after, upto, now)
                if upto == said.last:
                    self._say(
                        session, place, chain=said.chain, first=said.first, last=said.last, hash=said.hash
                    )
            after = upto
        says = f"entries {said.first} to {said.last} of {said.chain}"
        self.made.append({"file": str(place), "says": says, "chain": said.chain, "last": said.last})

    def _say(self, session: Any, place: Path, **facts: Any) -> None:
        now = self.database.now()
        audit.record(session, Event.AUDIT_ARCHIVED, actor=who(), now=now, file=place.name, **facts)

    def windows(self) -> None:
        """Finished windows with their leases and calls; the trail tells of them still."""
        place = self._free()
        if not next(self._pages(), []):
            return
        count = files.write_windows(place, self.before, self._windows())
        ids, said = files.check_windows(place), False
        for start in range(0, len(ids), _WINDOWS_AT_ONCE):
            with self.database.write() as session:
                retention.forget(session, ids[start : start + _WINDOWS_AT_ONCE])
                if not said:
                    self._say(session, place, windows=count)
                    said = True
        self.made.append({"file": str(place), "says": f"{count} finished windows", "windows": count})

    def _free(self) -> Path:
        end = ".jsonl.gz" if self.packed else ".jsonl"
        name, number = f"windows-{self.before:%Y%m%dT%H%M%SZ}", 1
        place = self.directory / f"{name}{end}"
        while place.exists():
            number += 1
            place = self.directory / f"{name}-{number}{end}"
        return place

    def _windows(self) -> Iterator[dict[str, Any]]:
        for ids in self._pages():
            with self.database.read() as session:
                yield from retention.whole(session, ids)

    def _pages(self) -> Iterator[list[str]]:
        after = ""
        while True:
            with self.database.read() as session:
                keyed = self.database.now() - KEY_LIFETIME
                ids = retention.finished(session, self.before, keyed, after, _WINDOWS_AT_ONCE)
            if not ids:
                return
            yield ids
            after = ids[-1]


def who() -> str:
    """The person at this machine, as the trail names them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
