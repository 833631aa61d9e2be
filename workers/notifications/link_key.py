"""The key that one-tap links of this node are made with: a private file in the data directory.

The workers of a node share it. It is never in the database, so a copy of the database makes no links.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from app.host import private_files
from app.store import locks

LINK_KEY_FILE = "link.key"
_BYTES = 32


def read_or_create(data_dir: Path) -> bytes:
    """The node's key; made when there is none. Raises OSError where the file cannot be used."""
    file = data_dir / LINK_KEY_FILE
    key = _read_key(file)
    if key is None:
        key = _create(file)
    if key is None:
        raise OSError(f"{file} is not a key of {_BYTES} bytes")
    return key


def _read_key(file: Path) -> bytes | None:
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _BYTES else None


def _create(file: Path) -> bytes | None:
    """Put a whole file there, one worker at a time; one that was cut short is replaced."""
    with locks.hold_lock(file.parent / "locks", "link", "key", wait=True):
        if (key := _read_key(file)) is not None:
            return key
        private_files.replace(file, secrets.token_bytes(_BYTES))
        return _read_key(file)
