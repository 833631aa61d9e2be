"""May this process keep its files there? Asked once by each that does, before it writes the first.

What would fail later in many places is one line here. A directory that others may write
to is refused, as PostgreSQL does: a user who can replace the database or the token in it has
everything. One that others may only look into is warned of.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from app.host import private_files

_SECRETS = ("token", "broker.url", "power.db", "power.db-wal")
ANOTHER = "choose another directory with --data-dir or POWER_DATA_DIR"
"""What to do about a directory that cannot be used."""


class UnusableDirectory(Exception):
    """A directory that cannot be used; says why, and what would mend it."""


def claim(path: Path) -> list[str]:
    """Make the directory where it is missing, and check it; return warnings, a line each. Raises Unusable."""
    try:
        private_files.make_directory(path)
    except OSError as error:
        raise UnusableDirectory(_cannot_be_made(path, error.strerror or str(error))) from error
    return check(path)


def check_claim(path: Path) -> list[str]:
    """What `claim` would say, without making anything."""
    if os.path.lexists(path):
        return check(path)
    there = _nearest(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        raise UnusableDirectory(_cannot_be_made(path, "it cannot be written to"))
    return []


def check(path: Path) -> list[str]:
    """The same for a directory that is there; changes nothing."""
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableDirectory(
            f"the data directory {path} cannot be used: {error.strerror}; {ANOTHER}"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise UnusableDirectory(f"the data directory {path} is a file; {ANOTHER}")
    _check_owner(path, status)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise UnusableDirectory(
            f"the data directory {path} cannot be written to by {_name(os.geteuid())}; "
            f"{_command('chmod', 'u+rwx', path)}, or mount it writable; else {ANOTHER}"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableDirectory(
            f"the data directory {path} can be written to by others (mode {_mode(status)}), who could take "
            f"over all it controls; {_command('chmod', '700', path)}"
        )
    return [*_open(path, status), *_readable(path)]


def _check_owner(path: Path, status: os.stat_result) -> None:
    me = os.geteuid()
    if me not in {0, status.st_uid}:
        raise UnusableDirectory(
            f"the data directory {path} belongs to {_name(status.st_uid)}, not to {_name(me)}; "
            f"run as {_name(status.st_uid)}, or {ANOTHER}"
        )


def _open(path: Path, status: os.stat_result) -> list[str]:
    if not status.st_mode & stat.S_IRWXO:
        return []
    return [
        f"every user of this machine may look into {path} (mode {_mode(status)}); "
        + _command("chmod", "700", path)
    ]


def _readable(path: Path) -> list[str]:
    """Return warnings of secrets that others may read. A later chmod of the directory does not help."""
    readable = [path / name for name in _SECRETS if _others_read(path / name)]
    return [
        f"{one} can be read by others, and holds a secret; {_command('chmod', '600', one)}"
        for one in readable
    ]


def _others_read(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _nearest(path: Path) -> Path:
    """The nearest that is there, of the path and those above it."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))


def _cannot_be_made(path: Path, why: str) -> str:
    there = _nearest(path)
    if not there.is_dir():
        what = "is a file" if there == path else f"cannot be made, since {there} is a file"
        return f"the data directory {path} {what}; {ANOTHER}"
    return f"the data directory {path} cannot be made in {there}: {why}; {ANOTHER}"


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


def _command(*words: object) -> str:
    return f"`{shlex.join(map(str, words))}`"


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
