"""Files that only their owner can read, replaced in one step."""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory, and missing ones above it, which only their owner may enter. Raises OSError.

    `Path.mkdir` gives the missing ones above it the ordinary mode.
    """
    missing = itertools.takewhile(lambda one: not one.exists(), path.parents)
    for one in reversed([path, *missing]):
        one.mkdir(mode=0o700, exist_ok=True)


def replace(path: Path, content: str | bytes, *, sync: bool = False) -> None:
    """Write the whole file or nothing of it, readable by its owner alone at every moment.

    `sync` waits until the content is on the disk. Missing directories are made. Raises OSError.
    """
    make_directory(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def replace_if_changed(path: Path, text: str) -> None:
    """`replace`, unless the file has this text already and only its owner can read it.

    So a start with a full disk needs no room for a file that stays as it is.
    """
    if not _has(path, text):
        replace(path, text)


def _has(path: Path, text: str) -> bool:
    try:
        return path.stat().st_mode & 0o077 == 0 and path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False
