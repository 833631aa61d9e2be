"""The images of the smoke tests, built from files at hand: no image registry is asked for anything.

    broker              a valkey-server, the `cat` that pytest-celery looks into it with, and their libraries
    base --> packages --> worker
    Debian's Python       what the product needs, at the versions of constraints.txt
                                            the checkout itself

Each carries a hash of what it is made from as its tag, so only what has changed is built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.vx11 import image

ROOT = Path(__file__).parents[2]
PREFIX = "power-windows/smoke-"
SOURCES = ("app", "workers", "celeryconfig.py")

_BASE = (
    "--variant=essential",
    "--include=python3",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)
# Debian 12's Python needs it where a later one does not, and pip judges by the Python that runs it.
_BESIDES = ("async-timeout",)
_PACKAGES = """\
FROM {base}
COPY packages /opt/packages
ENV PATH=/opt/packages/bin:/usr/bin:/bin PYTHONPATH=/opt/power-windows:/opt/packages PYTHONUNBUFFERED=1
WORKDIR /opt/power-windows
"""
_WORKER = """\
FROM {packages}
COPY . /opt/power-windows
"""


def broker() -> str:
    """The name of the broker's image, which is there when this returns."""
    server, cat = image.valkey(), Path(shutil.which("cat") or "/usr/bin/cat").resolve()
    files = {"usr/bin/redis-server": server, "usr/bin/cat": cat, **image.libraries([server, cat])}
    content = [f"{name} {_digest(path)}" for name, path in sorted(files.items())]
    return _ensured("broker", content, lambda name: _import_files(name, files))


def worker() -> str:
    """The name of the worker's image, which is there when this returns."""
    base = _ensured("base", [_suite(), platform.machine(), *_BASE], _import_debian)
    needed = [*tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"], *_BESIDES]
    pins = ROOT / "constraints.txt"
    packages = _ensured(
        "packages",
        [base, _PACKAGES, pins.read_text(), *needed],
        lambda name: _build_packages(name, base, needed, pins),
    )
    sources = sorted(_sources())
    content = [packages, _WORKER, *(f"{path.relative_to(ROOT)} {_digest(path)}" for path in sources)]
    return _ensured("worker", content, lambda name: _build_worker(name, packages, sources))


def _sources() -> Iterator[Path]:
    for source in SOURCES:
        at = ROOT / source
        yield from (path for path in (at.rglob("*") if at.is_dir() else [at]) if _wanted(path))


def _wanted(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ensured(kind: str, content: Iterable[str], build: Callable[[str], None]) -> str:
    """Build an image unless the engine has it made from this content; drop what it replaces."""
    repository = f"{PREFIX}{kind}"
    name = f"{repository}:{hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:16]}"
    with _alone():
        former = _docker("image", "ls", "--quiet", "--no-trunc", name)
        if not former:
            build(name)
            _drop_others(repository, name)
    return name


def _drop_others(repository: str, name: str) -> None:
    names = _docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).split()
    for other in {*names} - {name}:
        # One that a container still uses, or that another was built from, stays.
        subprocess.run(["docker", "image", "rm", other], capture_output=True, check=False)


@contextmanager
def _alone() -> Iterator[None]:
    """Two builders at once would do the work twice."""
    with Path(__file__).open() as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _import_files(name: str, files: image.Files) -> None:
    with tempfile.TemporaryFile() as tar:
        image.write(files, tar)
        tar.seek(0)
        _run(["docker", "import", "--change", "ENV PATH=/usr/bin LD_LIBRARY_PATH=/lib", "-", name], stdin=tar)


def _import_debian(name: str) -> None:
    with tempfile.TemporaryFile() as tar:
        _run(["mmdebstrap", "--quiet", *_BASE, _suite(), "-"], stdout=tar)
        tar.seek(0)
        _run(["docker", "import", "-", name], stdin=tar)


def _suite() -> str:
    """This machine's own release, so that its own package sources and proxies serve."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _build_packages(name: str, base: str, needed: list[str], pins: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="power-smoke-") as context:
        _run([*_pip(base), "--target", f"{context}/packages", "--constraint", str(pins), *needed])
        _build(name, context, _PACKAGES.format(base=base))


def _pip(base: str) -> list[str]:
    """Pip fetches for the Python in the image, which need not be this one."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = _docker("run", "--rm", "--network", "none", base, "python3", "-c", asked)
    foreign = ["--python-version", version, "--only-binary", ":all:"]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *foreign]


def _build_worker(name: str, packages: str, sources: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="power-smoke-") as context:
        for path in sources:
            to = Path(context, path.relative_to(ROOT))
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
        _build(name, context, _WORKER.format(packages=packages))


def _build(name: str, context: str, dockerfile: str) -> None:
    Path(context).chmod(0o755)
    recipe = Path(context, "Dockerfile")
    recipe.write_text(dockerfile)
    # The classic builder takes an image that only this engine has without asking a registry about it.
    classic = os.environ | {"DOCKER_BUILDKIT": "0"}
    _run(["docker", "build", "--quiet", "--network", "none", "--tag", name, context], env=classic)


def _docker(*arguments: str) -> str:
    return _run(["docker", *arguments]).strip()


def _run(command: list[str], **how: object) -> str:
    """Run one command to its end; what it said goes into the error where it fails."""
    how = {"stdout": subprocess.PIPE, **how}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return str(done.stdout or "")


if __name__ == "__main__":
    print(broker(), worker(), sep="\n")
