"""`power audit verify FILE...`: archive files by themselves, with each other, and with the live trail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.archive import files as pages
from app.archive.files import ArchiveHeader, Broken
from power_windows.payloads import Chain


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A file that was looked at; `fault` is what is wrong with it."""

    place: Path
    says: str
    head: ArchiveHeader | None = None
    joint: str | None = None
    """The hash of the entry up to which the live trail says that it is archived, where this file has it."""
    fault: str = ""


def prove(files: Iterable[Path], live: Sequence[Chain] | None) -> tuple[list[ArchivePart], list[str]]:
    """Every file with what it holds, and every fault in words; `live` is what the service proved."""
    ends = {chain["chain"]: chain for chain in live or ()}
    parts = [_part(place, ends) for place in files]
    faults = [part.fault for part in parts if part.fault]
    for chain in sorted({part.head.chain for part in parts if part.head}):
        mine = sorted((part for part in parts if part.head and part.head.chain == chain), key=_first)
        faults += [fault for one, other in pairwise(mine) if (fault := _gap(one, other))]
        if not any(part.fault for part in mine):
            faults += _join_faults(mine, ends.get(chain), known=live is not None)
    return parts, faults


def _first(part: ArchivePart) -> tuple[int, int]:
    assert part.head
    return part.head.first, part.head.last


def _part(place: Path, ends: Mapping[str, Chain]) -> ArchivePart:
    try:
        head = pages.head_of(place)
        if head is None:
            return ArchivePart(place, f"{len(pages.check_windows(place))} windows")
        end = ends.get(head.chain)
        head, joint = pages.check_entries(place, end.get("archived", 0) if end else 0)
        return ArchivePart(place, f"{head.chain} {head.first} to {head.last}", head, joint)
    except Broken as broken:
        return ArchivePart(place, "broken", fault=str(broken))
    except OSError as error:
        return ArchivePart(place, "broken", fault=f"{place}: cannot be read: {error.strerror}")


def _gap(one: ArchivePart, other: ArchivePart) -> str:
    assert one.head
    assert other.head
    end, begin, chain = one.head.last, other.head.first, one.head.chain
    name, after = one.place.name, other.place.name
    if begin > end + 1:
        return f"entries {end + 1} to {begin - 1} of {chain} are missing between {name} and {after}"
    if begin <= end:
        return f"{name} and {after} both hold entries {begin} to {min(end, other.head.last)} of {chain}"
    if other.head.prev != one.head.hash:
        return f"{after} does not go on where {name} ends: entry {end} of {chain} is altered"
    return ""


def _join_faults(mine: Sequence[ArchivePart], end: Chain | None, *, known: bool) -> list[str]:
    """What keeps the last file from joining the live trail, where there is one to ask."""
    last = mine[-1].head
    if last is None or not known:
        return []
    if end is None:
        return [f"the live trail has no chain {last.chain}"]
    archived, seal = end.get("archived", 0), end.get("archived_hash")
    if last.last < archived:
        return [
            f"entries {last.last + 1} to {archived} of {last.chain} are missing "
            f"between {mine[-1].place.name} and the live trail"
        ]
    if any(part.joint is not None and part.joint != seal for part in mine):
        return [
            f"the live trail does not go on where the files end: entry {archived} of {last.chain} is altered"
        ]
    return []
