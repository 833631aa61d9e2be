"""Files that decide what runs here, and that another user of this machine could write.

A user who may write a compose file may run any container, and so controls the whole host.
A folder counts as the files in it, since a file that may be exchanged need not be written.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_CONSEQUENCE = "who could have any container run on this host"


def warnings(paths: Iterable[Path]) -> list[str]:
    """A line for each of these files, and the folders above them, that others could write, with a mend."""
    existing = [path.resolve() for path in paths if path.exists()]
    folders = {folder for path in existing for folder in path.parents}
    return [line for path in (*dict.fromkeys(existing), *sorted(folders)) for line in _warnings(path)]


def _warnings(path: Path) -> Iterator[str]:
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_uid not in {0, os.geteuid()}:
        command = shlex.join(["chown", str(os.geteuid()), str(path)])
        yield f"{path} belongs to {_user(status.st_uid)}, {_CONSEQUENCE}; {command}"
    writers = _writers(status)
    # In a sticky folder no user can exchange the files of others.
    if writers and not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        command = shlex.join(["chmod", "go-w", str(path)])
        yield f"{path} can be written by {writers} (mode {mode}), {_CONSEQUENCE}; {command}"


def _writers(status: os.stat_result) -> str:
    """Who may write it beside its owner; empty where no other user may."""
    if status.st_mode & stat.S_IWOTH:
        return "every user"
    if status.st_mode & stat.S_IWGRP and _has_others(status.st_gid, status.st_uid):
        return f"the group {_group(status.st_gid)}"
    return ""


def _has_others(group: int, owner: int) -> bool:
    """Has this group members beside root and the owner? A user's private group has none."""
    try:
        members = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(group).gr_mem}
    except KeyError:
        return True
    members |= {one.pw_uid for one in pwd.getpwall() if one.pw_gid == group}
    return bool(members - {0, owner})


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
