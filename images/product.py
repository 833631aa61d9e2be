"""The product's image: the same Dockerfile for all, here on Debian's packages and with wheels at hand."""

from __future__ import annotations

import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from images import debian, engine
from images.debian import ROOT

SOURCES = ("app", "client/power_windows", "migrations", "workers", "celeryconfig.py")
_PROJECTS = ("pyproject.toml", "client/pyproject.toml")
_METADATA = ("Dockerfile", "constraints.txt", "README.md", "client/README.md", *_PROJECTS)
_CLIENT = "power-windows-client"
# Debian 12's Python needs it where a later one does not, and pip judges by the Python that runs it.
_BESIDES = ("async-timeout",)


def image() -> str:
    """The name of the product's image, which is there when this returns."""
    base = debian.image("base", ["python3", "python3-venv", "ca-certificates"])
    files = sorted(_files())
    content = [base, *(f"{path.relative_to(ROOT)} {engine.digest(path)}" for path in files)]
    return engine.ensured("product", content, lambda name: _build(name, base, files))


def _files() -> Iterator[Path]:
    yield from (ROOT / name for name in _METADATA)
    for source in SOURCES:
        at = ROOT / source
        yield from (path for path in (at.rglob("*") if at.is_dir() else [at]) if _wanted(path))


def _wanted(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _build(name: str, base: str, files: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="power-images-") as context:
        Path(context).chmod(0o755)
        for path in files:
            to = Path(context, path.relative_to(ROOT))
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
        shutil.copytree(_wheels(base), Path(context, "wheels"))
        engine.build(name, context, BASE=base, PIP_OPTIONS="--no-index --find-links=wheels")


def _wheels(base: str) -> Path:
    """A directory of all wheels that the product needs, fetched when they are first asked for."""
    needed, pins = _requirements(), ROOT / "constraints.txt"
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = engine.docker("run", "--rm", "--network", "none", base, "python3", "-c", asked)
    at = ROOT / "build" / "wheels"
    stamp, wanted = at.with_suffix(".stamp"), "\n".join([version, pins.read_text(), *needed])
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(at, ignore_errors=True)
        # Pip fetches for the Python in the image, which need not be this one.
        foreign = ["--python-version", version, "--only-binary", ":all:"]
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        engine.run([*fetch, *foreign, "--dest", str(at), "--constraint", str(pins), *needed])
        stamp.write_text(wanted)
    return at


def _requirements() -> list[str]:
    """Return what both projects are built with and depend on; the build context holds the client itself."""
    projects = [tomllib.loads((ROOT / name).read_text()) for name in _PROJECTS]
    built = [name for project in projects for name in project["build-system"]["requires"]]
    needed = [name for project in projects for name in project["project"]["dependencies"]]
    return [*dict.fromkeys(built), *(name for name in needed if not name.startswith(_CLIENT)), *_BESIDES]
