"""Archive files: entries or windows, a JSON object a line, which prove themselves without a database.

    audit-studio-0000000001-0000000500.jsonl     a head, then the entries of one chain
    windows-20300501T120000Z.jsonl               a head, then windows with leases and calls, then a seal

Every line has exactly one spelling, so a single byte that was changed is seen. The
entries prove themselves by their hashes, windows by the seal over all lines before it.
A file comes to be under another name and is read back before it gets its own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from app.domain.stack_id import file_part
from app.store import audit
from app.store.tables import stamp

ENTRIES, WINDOWS = "power-windows audit 1", "power-windows windows 1"
_NAMED = re.compile(r"audit-(?P<chain>.+)-(?P<first>\d{10,})-(?P<last>\d{10,})\.jsonl(\.gz)?")
_DRAFT = ".draft-"
_LONGEST = 64 * 1024 * 1024
"""Characters of a line, at most; nothing we write comes near."""


class Broken(Exception):
    """A file is not as it was written; says where."""


@dataclass(frozen=True, slots=True)
class ArchiveHeader:
    """The first line of a file of entries. `prev` is what it joins onto, `hash` what joins onto it."""

    chain: str
    first: int
    last: int
    prev: str
    hash: str

    def as_json(self) -> dict[str, Any]:
        """The first line of an archive file, as a mapping."""
        return {"format": ENTRIES, **{name: getattr(self, name) for name in self.__slots__}}

    def name(self, *, packed: bool) -> str:
        """The file's name: chain, first and last number; `.gz` where it is packed."""
        return (
            f"audit-{file_part(self.chain)}-{self.first:010}-{self.last:010}.jsonl{'.gz' if packed else ''}"
        )


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_entries(place: Path, head: ArchiveHeader, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write and read back a file of entries. Raises OSError, or Broken where the trail itself is."""
    _write(place, (canonical_json(one) for one in ({**head.as_json()}, *entries)))
    _settle(place, check_entries)


def write_windows(place: Path, before: datetime, windows: Iterable[Mapping[str, Any]]) -> int:
    """Write and read back a file of windows; return how many."""
    seal, count = hashlib.sha256(), 0

    def lines() -> Iterator[str]:
        nonlocal count
        for one in ({"format": WINDOWS, "before": before.isoformat()}, *windows):
            line = canonical_json(one)
            seal.update(f"{line}\n".encode())
            count += 1
            yield line
        yield canonical_json({"lines": count, "sha256": seal.hexdigest()})

    _write(place, lines())
    _settle(place, check_windows)
    return count - 1


def _draft(place: Path) -> Path:
    return place.with_name(f"{_DRAFT}{place.name}")


def _write(place: Path, lines: Iterable[str]) -> None:
    draft = _draft(place)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if _is_packed(place) else None
        out: Any = packed or raw
        for line in lines:
            out.write(f"{line}\n".encode())
        if packed:
            packed.close()
        raw.flush()
        os.fsync(raw.fileno())


def _settle(place: Path, check: Any) -> None:
    """Give a file that was read back its name, and see to it that the name stays too."""
    draft = _draft(place)
    try:
        check(draft)
        # A link, unlike a rename, never takes the place of a file that is there.
        os.link(draft, place)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _name(place: Path) -> str:
    return place.name.removeprefix(_DRAFT)


def _is_packed(place: Path) -> bool:
    return place.suffix == ".gz"


def _lines(place: Path) -> Iterator[tuple[str, Any]]:
    """Each line as it is and as what it says. Raises Broken for a line that this program did not write."""
    number = 0
    with closing(_open_archive(place)) as file:
        try:
            while raw := file.readline(_LONGEST):
                number += 1
                line = raw.decode("ascii")
                record = json.loads(line)
                if f"{canonical_json(record)}\n" != line or not isinstance(record, dict):
                    raise Broken(f"{_name(place)}: line {number} is not as it was written")
                yield line, record
        except (ValueError, RecursionError) as error:
            raise Broken(f"{_name(place)}: line {number} is not as it was written") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Broken(f"{_name(place)}: cannot be unpacked after line {number}: {error}") from error


def _open_archive(place: Path) -> IO[bytes]:
    return gzip.open(place, "rb") if _is_packed(place) else place.open("rb")  # type: ignore[return-value]


def head_of(place: Path) -> ArchiveHeader | None:
    """What a file says that it holds; None for a file of windows. Raises Broken or OSError."""
    record = _first(place)
    if record.get("format") == WINDOWS:
        return None
    return _head(place, record)


def _first(place: Path) -> dict[str, Any]:
    for _line, record in _lines(place):
        return dict(record)
    return {}


def _head(place: Path, record: Mapping[str, Any]) -> ArchiveHeader:
    kinds = {"chain": str, "first": int, "last": int, "prev": str, "hash": str}
    if record.get("format") != ENTRIES or set(record) != {"format", *kinds}:
        raise Broken(f"{_name(place)}: line 1 is not the head of an archive")
    if any(not isinstance(record[name], kind) for name, kind in kinds.items()):
        raise Broken(f"{_name(place)}: line 1 is not the head of an archive")
    return ArchiveHeader(**{name: record[name] for name in kinds})


def check_entries(place: Path, hash_at: int = 0) -> tuple[ArchiveHeader, str | None]:
    """Prove a file of entries by itself; its head, and the hash of the entry `hash_at` if it holds that.

    Raises Broken, which names the first entry that is not as it was written.
    """
    head = _head(place, _first(place))
    lines = islice(_lines(place), 1, None)
    seq, prev, prev_at_cut = head.first - 1, head.prev, None
    for _line, one in lines:
        row = _row(place, head.chain, one, seq + 1)
        if bad := audit.fault(row, seq, prev):
            raise Broken(f"{_name(place)}: entry {bad[0]} of {head.chain} is {bad[1]}")
        seq, prev = row["seq"], row["hash"]
        prev_at_cut = prev if seq == hash_at else prev_at_cut
    if seq != head.last:
        raise Broken(f"{_name(place)}: entry {min(seq, head.last) + 1} of {head.chain} is removed")
    if prev != head.hash:
        raise Broken(f"{_name(place)}: entry {seq} of {head.chain} is altered")
    return head, prev_at_cut


def _row(place: Path, chain: str, one: Mapping[str, Any], expected: int) -> dict[str, Any]:
    """An entry as it is hashed, from as it is shown."""
    try:
        at = datetime.fromisoformat(one["at"])
        names = ("seq", "event", "actor", "stack", "service", "prev", "hash")
        row = {name: one[name] for name in names} | {"chain": chain, "at": at, "window_id": one["window"]}
        # A time may be written in many ways, of which one is ours.
        if not isinstance(row["seq"], int) or stamp(at) != one["at"] or len(one) != 10:
            raise ValueError("not an entry")
        return row | {"facts": audit.canonical(one["facts"])}
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"{_name(place)}: entry {expected} of {chain} is altered") from error


def check_windows(place: Path) -> list[str]:
    """Prove a file of windows by its seal; the ids of the windows in it."""
    seal, ids, count, sealed = hashlib.sha256(), [], 0, None
    for line, record in _lines(place):
        if sealed is not None:
            raise Broken(f"{_name(place)}: line {count + 2} stands after the seal")
        if "sha256" in record:
            sealed = record
            continue
        seal.update(line.encode())
        count += 1
        if count > 1:
            ids.append(str(record.get("window", {}).get("id")))
    if sealed is None:
        raise Broken(f"{_name(place)}: its end is missing")
    if sealed != {"lines": count, "sha256": seal.hexdigest()}:
        raise Broken(f"{_name(place)}: its lines are not those that were sealed")
    return ids


def candidates(directory: Path, chain: str) -> list[Path]:
    """The files in a directory that say by their names that they are of this chain, in order."""
    named = ((_NAMED.fullmatch(one.name), one) for one in directory.iterdir())
    return sorted(one for match, one in named if match and match["chain"] == file_part(chain))
