"""The key that one-tap links of this node are made with: a private file in the data directory.

The workers of a node share it. It is never in the database, so a copy of the database makes no links.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from app.store import locks

LINK_KEY_FILE = "link.key"
_BYTES = 32


def read_or_create(data_dir: Path) -> bytes:
    """The node's key; made when there is none. Raises OSError where the file cannot be used."""
    file = data_dir / LINK_KEY_FILE
    key = _read(file)
    if key is None:
        key = _create(file)
    if key is None:
        raise OSError(f"{file} is not a key of {_BYTES} bytes")
    return key


def _read(file: Path) -> bytes | None:
    try:
        found = file.read_bytes()
    except FileNotFoundError:
        return None
    return found if len(found) == _BYTES else None


def _create(file: Path) -> bytes | None:
    """Put a whole file there, one worker at a time; one that was cut short is replaced."""
    with locks.held(file.parent / "locks", "link", "key", wait=True):
        if (key := _read(file)) is not None:
            return key
        draft = file.with_name(f".{LINK_KEY_FILE}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(secrets.token_bytes(_BYTES))
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        return _read(file)
