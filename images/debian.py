"""A root filesystem made of Debian's packages, by this machine's own package sources."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from images import engine

ROOT = Path(__file__).parents[1]
_TERMS = (
    "--variant=essential",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
)


def image(
    kind: str,
    packages: Sequence[str],
    *,
    hooks: Sequence[str] = (),
    changes: Sequence[str] = (),
    besides: Sequence[str] = (),
) -> str:
    """The name of an image with these packages, which is there when this returns.

    `hooks` are options of mmdebstrap, `changes` lines of a Dockerfile; `besides` is what
    else it is made from, such as the content of a file that a hook copies.
    """
    included = f"--include={','.join(packages)}"
    terms = [*_TERMS, included, *hooks]
    content = [_suite(), platform.machine(), *terms, *changes, *besides]
    return engine.ensured(kind, content, lambda name: _import(name, terms, changes))


def _import(name: str, terms: list[str], changes: Sequence[str]) -> None:
    with tempfile.TemporaryFile() as tar:
        # Hooks name files by where they are in the checkout, so that every checkout means the same image.
        engine.run(["mmdebstrap", "--quiet", *terms, _suite(), "-"], stdout=tar, cwd=ROOT)
        tar.seek(0)
        change_options = [f"--change={line}" for line in changes]
        engine.run(["docker", "import", *change_options, "-", name], stdin=tar)


def _suite() -> str:
    """This machine's own release, so that its own package sources and proxies serve."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]
