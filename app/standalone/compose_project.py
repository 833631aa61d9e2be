"""The Compose project of a folder, read as `docker compose` reads it there; nothing is started.

Compose says what its files, its project name and its profiles are. Where no option and no variable names
files, this module looks for them in the places and in the order of Compose.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain import call_output
from app.standalone import probes
from app.standalone.probes import ProbeResult

COMPOSE_FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    "compose.override.yml", "compose.override.yaml",
    "docker-compose.override.yml", "docker-compose.override.yaml",
)  # fmt: skip
_NO_FILE = "no configuration file provided"
_WARNING = re.compile(r'level=warning msg="((?:[^"\\]|\\.)*)"')


class NoComposeFile(Exception):
    """Neither the folder nor one above it has a compose file."""


class NoComposeProgram(Exception):
    """No supported Compose runs here; the message says why."""


class BadComposeFile(Exception):
    """Compose refuses the files; the message is its own."""


@dataclass(frozen=True)
class ComposeOptions:
    """What a person gives to `docker compose`; what is empty, Compose finds by itself."""

    files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project: str = ""

    def words(self) -> list[str]:
        """The same as words of a command line."""
        return [
            *_with_flag("-f", self.files),
            *_with_flag("--profile", self.profiles),
            *_with_flag("--env-file", self.env_files),
            *_with_flag("-p", [self.project] if self.project else []),
        ]


@dataclass(frozen=True)
class ComposeProject:
    """A project as Compose renders it. Paths are absolute."""

    name: str
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...]
    profiles: tuple[str, ...]
    config: Mapping[str, Any]
    hashes: Mapping[str, str]
    """Compose's configuration hash of each service."""
    warnings: tuple[str, ...]
    command: tuple[str, ...]
    """How a person runs this Compose."""


def read_project(folder: Path, options: ComposeOptions, environ: Mapping[str, str]) -> ComposeProject:
    """Read the project of a folder. Raises NoComposeProgram, NoComposeFile or BadComposeFile."""
    if "-" in options.files:
        raise BadComposeFile("one from standard input cannot be read again later; name a file")
    usable = probes.compose()
    if usable is None:
        raise NoComposeProgram(probes.compose_fault())
    compose = _Compose(tuple(usable[0].split(" ")), folder, options, environ)
    # With every profile on, Compose shows the services behind them too.
    shown = compose.ask("--profile", "*", "config", "--format", "json")
    config: dict[str, Any] = json.loads(shown.stdout)
    variables = compose.variables()
    files = _files(folder, options, variables)
    return ComposeProject(
        name=str(config["name"]),
        directory=files[0].parent,
        files=files,
        env_files=_env_files(folder, files[0].parent, options, variables),
        profiles=options.profiles or _split(variables.get("COMPOSE_PROFILES", ""), ","),
        config=config,
        hashes=_hashes(compose.ask("--profile", "*", "config", "--hash", "*").stdout),
        warnings=tuple(dict.fromkeys(_unquote(one) for one in _WARNING.findall(shown.stderr))),
        command=typed_command(compose.program),
    )


def typed_command(program: tuple[str, ...]) -> tuple[str, ...]:
    """How a person types this program: Docker's plugin is run through `docker`."""
    return ("docker", "compose") if Path(program[0]).parent.name == "cli-plugins" else program


@dataclass(frozen=True)
class _Compose:
    """A Compose that is run in a person's folder with that person's environment."""

    program: tuple[str, ...]
    folder: Path
    options: ComposeOptions
    environ: Mapping[str, str]

    def ask(self, *words: str) -> ProbeResult:
        """Run it; raises NoComposeFile or BadComposeFile where it fails."""
        command = (*self.program, "--ansi", "never", *self.options.words(), *words)
        answer = probes.ask(*command, environ=self.environ, folder=self.folder, seconds=30.0)
        if answer.returncode == 0:
            return answer
        if _NO_FILE in answer.stderr:
            raise NoComposeFile
        raise BadComposeFile(" ".join(call_output.reason(answer.stderr).split()) or "compose gives no reason")

    def variables(self) -> dict[str, str]:
        """Compose's own variables, as the environment and the `.env` file set them."""
        lines = self.ask("--profile", "*", "config", "--environment").stdout.splitlines()
        pairs = (line.partition("=") for line in lines if line.startswith("COMPOSE_"))
        return {name: value for name, _, value in pairs}


def _files(folder: Path, options: ComposeOptions, variables: Mapping[str, str]) -> tuple[Path, ...]:
    separator = variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    named = options.files or _split(variables.get("COMPOSE_FILE", ""), separator)
    if named:
        return tuple(Path(os.path.normpath(folder / name)) for name in named)
    for place in (folder, *folder.parents):
        if first := [place / name for name in COMPOSE_FILE_NAMES if (place / name).is_file()][:1]:
            return (*first, *[place / name for name in _OVERRIDES if (place / name).is_file()][:1])
    raise NoComposeFile


def _env_files(
    folder: Path, directory: Path, options: ComposeOptions, variables: Mapping[str, str]
) -> tuple[Path, ...]:
    """The files that Compose takes variables from, where it is not only the `.env` beside the files."""
    named = options.env_files or _split(variables.get("COMPOSE_ENV_FILES", ""), ",")
    if not named and folder != directory and (folder / ".env").is_file():
        beside = [directory / ".env"] if (directory / ".env").is_file() else []
        return (folder / ".env", *beside)
    return tuple(Path(os.path.normpath(folder / name)) for name in named)


def read_containers(
    project: ComposeProject, environ: Mapping[str, str]
) -> tuple[frozenset[str], dict[str, int]]:
    """The services with a container that runs, and the exit codes of those whose container has ended.

    Both are empty where the engine does not answer.
    """
    usable = probes.compose()
    words = ("-p", project.name, "ps", "-a", "--format", "json")
    answer = probes.ask(*usable[0].split(" "), *words, environ=environ, folder=Path("/")) if usable else None
    if answer is None or answer.returncode != 0:
        return frozenset(), {}
    rows = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    running = frozenset(str(row["Service"]) for row in rows if row.get("State") == "running")
    ended = {str(row["Service"]): int(row["ExitCode"]) for row in rows if row.get("State") == "exited"}
    return running, ended


def _hashes(printed: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in printed.splitlines() if line.strip())


def _split(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _unquote(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\")


def _with_flag(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]
