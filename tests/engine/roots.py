"""Docker engines of several Debian releases, each in a root filesystem of its own under `.engines/`.

A root is made by mmdebstrap once and kept between runs; what is in it never changes,
since an engine keeps its data elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.engine import run

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".engines"
HOST = Path("/")
"""The root filesystem of this machine, with the engine that is installed here."""

SUITES = {"20.10": "bookworm", "26.1": "trixie", "28.5": "sid"}
"""The Debian suite that has each release of Docker."""
CHOSEN = "POWER_TEST_ENGINE"
"""The environment variable that names the release; without it, tests start the engine of this machine."""

_TERMS = (
    "--variant=essential",
    "--include=docker.io,docker-cli,iptables,mount",
    '--aptopt=Acquire::Languages "none"',
    # The Release file of sid may be older than apt accepts.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)


def chosen() -> Path:
    """Return the root filesystem of the release that the environment names, else this machine's own."""
    release = os.environ.get(CHOSEN)
    return root(release) if release else HOST


def root(release: str) -> Path:
    """Return the root filesystem that holds a release, made first unless it is there.

    Raises RuntimeError with the command and its output where it cannot be made.
    """
    suite = SUITES[release]
    # bookworm has the client in the package docker.io.
    terms = [term.replace("docker-cli,", "") if suite == "bookworm" else term for term in _TERMS]
    content = json.dumps([suite, platform.machine(), *terms])
    target = CACHE / f"{suite}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    with _one_at_a_time():
        if not target.is_dir():
            _make(target, suite, terms)
    return target


def client(root: Path) -> str:
    """Return the docker command of a root as a shell script that runs outside of it.

    An engine may refuse the client of an older release, so each is used with its own.
    """
    (loader, *_) = sorted((root / "usr").glob("lib*/ld-linux-*.so.*"))
    (libc,) = (root / "usr/lib").glob("*/libc.so.6")
    return f'#!/bin/sh\nexec "{loader}" --library-path "{libc.parent}" "{root}/usr/bin/docker" "$@"\n'


def _make(target: Path, suite: str, terms: list[str]) -> None:
    for former in CACHE.glob(f"{suite}-*"):
        shutil.rmtree(former)
    unfinished = target.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    run(["bin/packages", "mmdebstrap=mmdebstrap"], cwd=REPOSITORY)
    run(["mmdebstrap", "--quiet", *terms, *_proxies(), suite, str(unfinished), *_sources(suite)])
    unfinished.rename(target)


def _sources(suite: str) -> list[str]:
    """Return the line of Debian's mirror that this machine uses; none where apt knows no mirror."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    filters = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    mirrors = sorted(set(run([*command, *filters]).split()))
    return [f"deb {mirrors[0]} {suite} main"] if mirrors else []


def _proxies() -> list[str]:
    """Return this machine's proxies for apt, as options of mmdebstrap."""
    lines = run(["apt-config", "dump"]).splitlines()
    return [f"--aptopt={line}" for line in lines if line.startswith("Acquire::") and "::Proxy" in line]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
