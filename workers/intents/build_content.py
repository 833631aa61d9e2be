"""The digest of everything that an image is built from, so that an unchanged service is not built again.

It covers the service's build section as Compose renders it, the Dockerfile, and every file of the build
context that `.dockerignore` does not leave out, and the ids of base images that the engine has.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.domain.base_images import UnknownBase, base_images
from app.domain.dockerignore import IgnoredPaths

MOST_CONTEXT_FILES = 20_000
"""Files of a build context that is compared; a larger one is built every time."""
MOST_CONTEXT_BYTES = 2**30
"""Bytes of such a context."""
_UNCOMPARED = ("additional_contexts", "secrets", "ssh", "no_cache", "pull")
"""Keys of a build section that bring content from elsewhere or ask for a build every time."""


class Uncomparable(Exception):
    """What the image is built from cannot be compared, for the reason given."""


def content_digest(section: Mapping[str, Any]) -> str:
    """The digest of a rendered build section and all that it names. Raises Uncomparable."""
    if keys := [key for key in _UNCOMPARED if section.get(key)]:
        raise Uncomparable(f"its build section has {', '.join(keys)}")
    context = Path(str(section.get("context") or ""))
    if not context.is_absolute() or not context.is_dir():
        raise Uncomparable("its build context is not a directory of this host")
    checksum = hashlib.sha256(json.dumps(section, sort_keys=True).encode())
    try:
        dockerfile = context / str(section.get("dockerfile") or "Dockerfile")
        if not section.get("dockerfile_inline"):
            _add_file(checksum, "Dockerfile", dockerfile)
        for name, path in _files(context, _read_ignored_paths(context, dockerfile)):
            _add_file(checksum, name, path)
    except OSError as error:
        raise Uncomparable(f"{error.filename} cannot be read: {error.strerror}") from error
    return checksum.hexdigest()


def find_bases(section: Mapping[str, Any]) -> list[str]:
    """The names of the images that a rendered build section builds upon. Raises Uncomparable."""
    context = Path(str(section.get("context") or ""))
    path = context / str(section.get("dockerfile") or "Dockerfile")
    try:
        text = section.get("dockerfile_inline") or path.read_text(errors="replace")
        return base_images(str(text), section.get("args") or {})
    except OSError as error:
        raise Uncomparable(f"{error.filename} cannot be read: {error.strerror}") from error
    except UnknownBase as error:
        raise Uncomparable(f"its base image {error} has a variable without a value") from error


@dataclass(frozen=True, slots=True)
class BuildContent:
    """What an image is built from: the digest of `content_digest`, and the engine's ids of its base images.

    The id of an image that the engine does not have is empty; BuildKit stores such images for itself.
    """

    files: str
    bases: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The digest of both."""
        return hashlib.sha256(json.dumps([self.files, dict(self.bases)]).encode()).hexdigest()

    def with_bases(self, bases: Mapping[str, str]) -> BuildContent | None:
        """The same files with the base images as they are after the build.

        None where an image has changed meanwhile, so that it is not known which of the two was used.
        """
        if any(before not in {"", bases[name]} for name, before in self.bases.items()):
            return None
        return replace(self, bases=bases)


def _read_ignored_paths(context: Path, dockerfile: Path) -> IgnoredPaths:
    for path in (Path(f"{dockerfile}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            return IgnoredPaths(path.read_text(errors="replace").splitlines())
    return IgnoredPaths([])


def _files(context: Path, ignored: IgnoredPaths) -> Iterator[tuple[str, Path]]:
    """Each file and link of the context by its relative path, in one order; raises Uncomparable."""
    files = size = 0
    for folder, folders, names in os.walk(context, onerror=_raise):
        below = Path(folder).relative_to(context)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = sorted(
            name for name in folders if name not in links and not ignored.covers_all_below(str(below / name))
        )
        for name in sorted([*names, *links]):
            relative = str(below / name)
            if ignored.covers(relative):
                continue
            path = Path(folder) / name
            files, size = files + 1, size + path.lstat().st_size
            if files > MOST_CONTEXT_FILES or size > MOST_CONTEXT_BYTES:
                raise Uncomparable(f"its build context has over {MOST_CONTEXT_FILES} files or 1 GiB")
            yield relative, path


def _raise(error: OSError) -> None:
    raise error


def _add_file(checksum: Any, name: str, path: Path) -> None:
    """Add name, mode and content of a file, or the target of a link."""
    status = path.lstat()
    checksum.update(
        f"\0{name}\0{stat.S_IMODE(status.st_mode):o}\0{status.st_size}\0".encode(errors="replace")
    )
    if stat.S_ISLNK(status.st_mode):
        checksum.update(str(path.readlink()).encode(errors="replace"))
    elif stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                checksum.update(piece)
