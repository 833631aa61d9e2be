"""Images by content: the tag is a hash of what one is made from, so only what has changed is built."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "power-windows/"
LOCAL = "local"
"""The tag under which the newest of each kind is known to people; checkouts share it."""


def ensured(kind: str, content: Iterable[str], build: Callable[[str], None]) -> str:
    """Build an image unless the engine has it made from this content.

    None is ever removed: another checkout may be about to use it.
    """
    name = f"{PREFIX}{kind}:{hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:16]}"
    with _alone():
        if not docker("image", "ls", "--quiet", "--no-trunc", name):
            build(name)
    return name


def known_as_local(name: str) -> str:
    """Give an image the tag by which people call it; return that name."""
    local = f"{name.rpartition(':')[0]}:{LOCAL}"
    docker("tag", name, local)
    return local


@contextmanager
def _alone() -> Iterator[None]:
    """Two builders at once would do the work twice."""
    with Path(__file__).open() as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(name: str, context: str, **arguments: str) -> None:
    """Build what is in a directory; nothing it runs has a network."""
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    # The classic builder takes an image that only this engine has without asking a registry about it.
    classic = os.environ | {"DOCKER_BUILDKIT": "0"}
    run(["docker", "build", "--quiet", "--network", "none", *given, "--tag", name, context], env=classic)


def docker(*arguments: str) -> str:
    return run(["docker", *arguments]).strip()


def run(command: list[str], **how: object) -> str:
    """Run one command to its end; what it said goes into the error where it fails."""
    how = {"stdout": subprocess.PIPE, **how}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode:
        output = f"{done.stdout or ''}{done.stderr}".strip()
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {output}")
    return str(done.stdout or "")
