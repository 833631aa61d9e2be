"""Export old audit entries and finished windows to archive files, then delete them from the database.

It works on the database directly, also while the service runs. A file is written whole
and read back before any row is deleted. An interrupted run is simply run again: the
rows are then in the file, or in both the file and the database.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.archive import files
from app.archive.database import open_database, operator_name
from app.archive.files import ArchiveHeader, Broken
from app.domain.enums import Event
from app.store import audit, retention
from app.store.database import Database
from app.usecases.windows.open import KEY_LIFETIME
from power_windows.errors import Failed

_ENTRY_BATCH = 1000
"""Entries read or deleted in one transaction, so that other writers wait only briefly."""
_WINDOW_BATCH = 200
"""Windows read or deleted in one transaction."""


def export(url: str, before: float, directory: Path, *, packed: bool) -> list[dict[str, Any]]:
    """Export what is older than `before` seconds; return one description per file written.

    Each has `file` (the path) and `says` (a phrase), and either `windows` (a count) or `chain` and `last`.
    Raises Failed, or Unreachable when there is no database.
    """
    with open_database(url) as database, lock_directory(directory):
        run = _Export(database, directory, database.now() - timedelta(seconds=before), packed)
        try:
            run.export_windows()
            run.export_chains()
        except OSError as error:
            raise Failed(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
        except Broken as error:
            raise Failed(f"{error}; nothing of it was let go") from error
        except retention.Overtaken as error:
            raise Failed(f"another process has archived {error} meanwhile; run it again") from error
    return run.made


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Hold the exclusive lock on an archive directory, which is made if missing. Raises Failed."""
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
class _Export:
    """One run: `before` bounds the age, `packed` selects gzip, `made` describes the files written."""

    database: Database
    directory: Path
    before: datetime
    packed: bool
    made: list[dict[str, Any]] = field(default_factory=list)

    def export_chains(self) -> None:
        """Export the old audit entries of every chain, then delete them from the database."""
        with self.database.read() as session:
            names = [head.chain for head in retention.heads(session)]
        for chain in names:
            self._export_chain(chain)

    def _export_chain(self, chain: str) -> None:
        """Delete entries that an interrupted run has exported already, then export what is old enough."""
        while place := self._existing_file(chain):
            self._delete_entries(place, files.check_entries(place)[0])
        with self.database.read() as session:
            head = next(one for one in retention.heads(session) if one.chain == chain)
            last = retention.entry(session, chain, retention.cut_sequence(session, head, self.before))
        if last is None or last.seq <= head.archived_seq:
            return
        header = ArchiveHeader(chain, head.archived_seq + 1, last.seq, head.archived_hash, last.hash)
        place = self.directory / header.name(packed=self.packed)
        files.write_entries(place, header, self._entries(header))
        self._delete_entries(place, header)

    def _existing_file(self, chain: str) -> Path | None:
        """Return a file that holds the chain's next entry. Raises Broken when it does not match."""
        with self.database.read() as session:
            head = next(one for one in retention.heads(session) if one.chain == chain)
        for place in files.candidates(self.directory, chain):
            header = files.head_of(place)
            if header is None or not header.first <= head.archived_seq + 1 <= header.last:
                continue
            self._require_match(place, header)
            return place
        return None

    def _require_match(self, place: Path, header: ArchiveHeader) -> None:
        """Raise Broken unless the file's last entry is the same as the database's."""
        files.check_entries(place)
        with self.database.read() as session:
            live = retention.entry(session, header.chain, header.last)
        if live is None or live.hash != header.hash:
            raise Broken(
                f"{place.name} is there already and is of another life of this database "
                "(was a backup restored?): name another directory with --to"
            )

    def _entries(self, header: ArchiveHeader) -> Iterator[dict[str, Any]]:
        after = header.first - 1
        while after < header.last:
            with self.database.read() as session:
                page = retention.page(session, header.chain, after, header.last, _ENTRY_BATCH)
            if not page:
                return
            yield from (entry.as_json() for entry in page)
            after = page[-1].seq

    def _delete_entries(self, place: Path, header: ArchiveHeader) -> None:
        with self.database.read() as session:
            after = next(one.archived_seq for one in retention.heads(session) if one.chain == header.chain)
        while after < header.last:
            upto = min(after + _ENTRY_BATCH, header.last)
            with self.database.write() as session:
                now = self.database.now()
                retention.delete_archived(session, header.chain, after, upto, now)
                if upto == header.last:
                    self._record_export(
                        session,
                        place,
                        chain=header.chain,
                        first=header.first,
                        last=header.last,
                        hash=header.hash,
                    )
            after = upto
        says = f"entries {header.first} to {header.last} of {header.chain}"
        self.made.append({"file": str(place), "says": says, "chain": header.chain, "last": header.last})

    def _record_export(self, session: Any, place: Path, **facts: Any) -> None:
        now = self.database.now()
        audit.record(session, Event.AUDIT_ARCHIVED, actor=operator_name(), now=now, file=place.name, **facts)

    def export_windows(self) -> None:
        """Export old finished windows with leases and calls, then delete them; audit entries stay."""
        place = self._free_path()
        if not next(self._pages(), []):
            return
        count = files.write_windows(place, self.before, self._windows())
        ids, recorded = files.check_windows(place), False
        for start in range(0, len(ids), _WINDOW_BATCH):
            with self.database.write() as session:
                retention.delete_windows(session, ids[start : start + _WINDOW_BATCH])
                if not recorded:
                    self._record_export(session, place, windows=count)
                    recorded = True
        self.made.append({"file": str(place), "says": f"{count} finished windows", "windows": count})

    def _free_path(self) -> Path:
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
                yield from retention.windows_with_calls(session, ids)

    def _pages(self) -> Iterator[list[str]]:
        after = ""
        while True:
            with self.database.read() as session:
                keyed = self.database.now() - KEY_LIFETIME
                ids = retention.finished_windows(session, self.before, keyed, after, _WINDOW_BATCH)
            if not ids:
                return
            yield ids
            after = ids[-1]
