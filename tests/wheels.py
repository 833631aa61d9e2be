"""Wheels of our two distributions, and fresh virtual environments to install them into, without a network.

An environment gets the third-party distributions that a wheel asks for as links into the site-packages
of this interpreter. It gets nothing of the checkout, and no tool that the wheel does not ask for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SERVER_SOURCES = ("app", "migrations", "workers", "celeryconfig.py", "pyproject.toml", "README.md")
CLIENT_SOURCES = ("power_windows", "pyproject.toml", "README.md")
OURS = {"power-windows", "power-windows-client"}
_SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_OFFLINE = ("--quiet", "--no-index", "--no-deps")


def build_server(to: Path) -> Path:
    """Build the server's wheel in the empty folder `to`; return the wheel's path."""
    return _build(ROOT, SERVER_SOURCES, to)


def build_client(to: Path) -> Path:
    """Build the client's wheel in the empty folder `to`; return the wheel's path."""
    return _build(ROOT / "client", CLIENT_SOURCES, to)


def _build(project: Path, sources: Iterable[str], to: Path) -> Path:
    """Build from a copy: setuptools also packs what an earlier build left in `build/`."""
    copy = to / "source"
    copy.mkdir(parents=True)
    for source in sources:
        path = project / source
        if path.is_dir():
            shutil.copytree(path, copy / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, copy / source)
    run(*_PIP, "wheel", *_OFFLINE, "--no-build-isolation", "--wheel-dir", str(to), str(copy))
    (wheel,) = to.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment with wheels, their dependencies, and the distributions named in `tools`."""

    def __init__(self, at: Path, wheels: Iterable[Path], tools: Iterable[str] = ()) -> None:
        self.at = at
        self.python = at / "bin" / "python"
        run(sys.executable, "-m", "venv", "--without-pip", str(at))
        run(*_PIP, "--python", str(self.python), "install", *_OFFLINE, *map(str, wheels))
        (self.site_packages,) = at.glob("lib/python*/site-packages")
        installed = metadata.distributions(path=[str(self.site_packages)])
        required = [requirement for wheel in installed for requirement in _requirements(wheel)]
        self._link_distributions([*required, *map(Requirement, tools)])

    def program(self, name: str) -> Path:
        """Return the path of a command that the wheels install, such as `power`."""
        return self.at / "bin" / name

    def _link_distributions(self, requirements: Iterable[Requirement]) -> None:
        for distribution in _closure(requirements):
            for file in distribution.files or ():
                if ".." not in file.parts:
                    self._link(_SITE_PACKAGES / file.parts[0], self.site_packages)
                elif file.parts[-2] == "bin":
                    self._link_binary(_SITE_PACKAGES / file)

    def _link_binary(self, path: Path) -> None:
        """Link a program such as `docker-compose`; a script would run the interpreter of the checkout."""
        with path.open("rb") as file:
            is_script = file.read(2) == b"#!"
        if not is_script:
            self._link(path.resolve(), self.at / "bin")

    @staticmethod
    def _link(path: Path, folder: Path) -> None:
        link = folder / path.name
        if path.name != "__pycache__" and not link.exists():
            link.symlink_to(path)


def _closure(requirements: Iterable[Requirement]) -> Iterable[metadata.Distribution]:
    """Return the installed distributions that the requirements name, and all that these require."""
    pending = list(requirements)
    distributions: dict[tuple[str, frozenset[str]], metadata.Distribution] = {}
    while pending:
        requirement = pending.pop()
        key = (requirement.name, frozenset(requirement.extras))
        if key not in distributions and requirement.name not in OURS:
            distributions[key] = metadata.distribution(requirement.name)
            pending += _requirements(distributions[key], requirement.extras)
    return distributions.values()


def _requirements(distribution: metadata.Distribution, extras: Iterable[str] = ()) -> list[Requirement]:
    """Return what a distribution requires on this machine, with these of its extras."""
    chosen = ("", *extras)
    return [
        requirement
        for requirement in map(Requirement, distribution.requires or ())
        if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in chosen)
    ]


def run(*command: str, cwd: Path | None = None, environ: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its output; raises AssertionError, with the output, if it fails."""
    ended = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{' '.join(command)}: exit {ended.returncode}: {ended.stdout}"
    return ended.stdout
