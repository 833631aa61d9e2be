"""Images for services that fail: a shell, a few tools and own files, built from what this machine has."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from examples.vx11 import image

SHELL = ("sh", "bash", "cat", "sleep", "env", "mkdir", "touch", "sed")
"""Programs of this machine; `sh` is dash where that is so here."""
Written = Mapping[str, tuple[bytes, int]]
"""Files by path: their content and mode."""


def ensure_image(
    written: Written | None = None,
    *,
    programs: Iterable[str] = SHELL,
    python: bool = False,
    changes: Iterable[str] = (),
    platform: str = "",
) -> str:
    """The name of an image with these files and programs; it is made unless the engine has it."""
    files = _programs(programs) | (image.gather() if python else {})
    content_of = dict(written or {})
    configuration = ["ENV PATH=/usr/bin:/bin LD_LIBRARY_PATH=/lib PYTHONUNBUFFERED=1", *changes]
    digest = hashlib.sha256(json.dumps([sorted(files), configuration, platform]).encode())
    for name, (content, mode) in sorted(content_of.items()):
        digest.update(f"{name} {mode} ".encode() + content)
    tag = f"power-windows/failing:{digest.hexdigest()[:16]}"
    if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode:
        _import(tag, _archive(files, content_of), configuration, platform)
    return tag


def _programs(names: Iterable[str]) -> dict[str, Path]:
    paths = {name: Path(f"/usr/bin/{name}").resolve() for name in names}
    return {f"usr/bin/{name}": path for name, path in paths.items()} | (
        image.libraries(list(paths.values())) if paths else {}
    )


def _archive(files: Mapping[str, Path], content_of: Written) -> bytes:
    stream = io.BytesIO()
    contents = {name: (path.read_bytes(), 0o755) for name, path in files.items()} | dict(content_of)
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folders = {str(one) for name in contents for one in PurePosixPath(name).parents} - {"."}
        for folder in sorted(folders | {"tmp"}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        if "usr/bin/sh" in contents:
            link = tarfile.TarInfo("bin")
            link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
            tar.addfile(link)
        for name, (content, mode) in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _import(tag: str, archive: bytes, changes: Iterable[str], platform: str) -> None:
    words = [f"--change={line}" for line in changes]
    chosen = [f"--platform={platform}"] if platform else []
    command = ["docker", "import", *words, *chosen, "-", tag]
    subprocess.run(command, input=archive, capture_output=True, check=True)
