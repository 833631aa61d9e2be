"""What `power audit archive` wrote proves itself: no change of a file goes unseen."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from app.archive import files as pages
from app.archive import verify
from tests.cli.audit_archives import Run, archived, heads, old, run
from tests.store.tampering import tamper
from tests.system import System

__all__ = ["old", "run"]


pytestmark = pytest.mark.integration


def tampered(file: Path, how: Callable[[list[str]], list[str]]) -> None:
    file.write_text("".join(how(file.read_text().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda lines: [*lines[:3], *lines[4:]], "entry 3 of studio is removed"),
        (lambda lines: lines[:-1], "is removed"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "entry 3 of studio is removed"),
        (lambda lines: [*lines, lines[-1]], "is reordered"),
        (lambda lines: lines[1:], "line 1 is not the head"),
        (lambda lines: [lines[0].replace("studio", "school"), *lines[1:]], "entry 1 of school is altered"),
        (
            lambda lines: [lines[0], lines[1].replace('":', '": ', 1), *lines[2:]],
            "line 2 is not as it was written",
        ),
    ],
)
def test_a_file_that_was_tampered_with_is_named(
    old: System, run: Run, tmp_path: Path, how: Callable[[list[str]], list[str]], message: str
) -> None:
    file = archived(run, tmp_path)[0]
    tampered(file, how)

    result = run("verify", file)

    assert result.exit_code == 1
    assert message in result.stderr
    assert file.name in result.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_no_single_byte_can_be_changed_unseen(old: System, run: Run, tmp_path: Path, packed: bool) -> None:
    file = archived(run, tmp_path, *(["--gzip"] if packed else []))[0]
    windows = next(tmp_path.glob("windows-*"))
    for place, check in ((file, pages.check_entries), (windows, pages.check_windows)):
        whole = place.read_bytes()
        # The first bytes of a packed file say when and by what it was packed, which is no one's claim.
        for at in range(10 if packed else 0, len(whole), max(1, len(whole) // 150)):
            changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            if packed and _unpacks_alike(changed, whole):
                continue
            place.write_bytes(changed)
            with pytest.raises(pages.Broken):
                check(place)
        place.write_bytes(whole)
        check(place)


def _unpacks_alike(changed: bytes, whole: bytes) -> bool:
    """True where both hold the same bytes: a repeat may be copied from either of two places."""
    try:
        return gzip.decompress(changed) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


def test_a_file_packed_in_another_way_is_the_same_file(old: System, run: Run, tmp_path: Path) -> None:
    file = archived(run, tmp_path, "--gzip")[0]
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), compresslevel=1))
    assert run("verify", file).exit_code == 0


def test_two_files_that_changed_names_are_still_what_they_are(old: System, run: Run, tmp_path: Path) -> None:
    archived(run, tmp_path)
    old.close(old.open("forge"))
    one, two = archived(run, tmp_path)
    aside = one.rename(tmp_path / "aside")
    two.rename(one)
    aside.rename(two)
    # What counts is what is in them, so nothing is lost, and each says what it is.
    parts, faults = verify.prove([one, two], None)
    assert (faults, [part.head.first for part in parts if part.head][1]) == ([], 1)


def test_a_file_from_another_trail_is_not_taken_for_ours(old: System, run: Run, tmp_path: Path) -> None:
    file = archived(run, tmp_path)[0]
    old.close(old.open("forge"))
    here = heads(old.database)["studio"]
    first, last = here[0] + 1, here[1]
    entries = [one.as_json() for one in old.entries()]
    forged = pages.ArchiveHeader("studio", first, last - 1, entries[0]["prev"], entries[-2]["hash"])
    pages.write_entries(tmp_path / forged.name(packed=False), forged, entries[:-1])
    other = tmp_path / forged.name(packed=False)
    tamper(old.database, f"UPDATE audit SET hash = 'x' WHERE chain = 'studio' AND seq = {last - 1}")

    result = run("archive", "--before", "90d", "--to", tmp_path)

    assert (result.exit_code, file.exists()) == (1, True)
    assert f"{other.name} is there already" in result.stderr
    assert heads(old.database)["studio"] == here
