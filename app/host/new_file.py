"""A file for people, written whole or not at all, which replaces another one only where that is asked for."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write(path: Path, text: str, *, replace: bool = False) -> None:
    """Write a new file; with `replace` also over one that is there, whose mode it takes.

    Raises FileExistsError where there is one that is not to be replaced, and other kinds of OSError.
    """
    target = path.resolve() if replace else path
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if replace and target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        _place(draft, target, replace=replace)
    finally:
        draft.unlink(missing_ok=True)


def _place(draft: Path, target: Path, *, replace: bool) -> None:
    if replace:
        draft.replace(target)
        return
    try:
        # Unlike a rename, a link never takes the place of a file that appeared meanwhile.
        target.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(17, "File exists", str(target)) from None
        draft.replace(target)
