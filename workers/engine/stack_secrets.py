"""The secrets that stacks' own files give to their services, to be taken out of what those print.

They stay in memory, by project, for as long as this process lives, since a container may still print
a password that has been changed since.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.domain import redaction

_known: dict[str, frozenset[str]] = {}
_ASSIGNED = re.compile(r"\s*(?:export\s+)?([\w.-]+)\s*[=:]\s*(.*?)\s*")


def note(project: str, values: frozenset[str]) -> None:
    """Redact these values from all output of this project's services and calls from now on."""
    _known[project] = _known.get(project, frozenset()) | values


def redact(project: str, text: str) -> str:
    """Text of this project's containers or of calls for it, as it may be stored and sent."""
    return redaction.redact(text, _known.get(project, ()))


def of_config(config: Mapping[str, Any]) -> frozenset[str]:
    """The secrets among the variables and build arguments that rendered compose files give to services."""
    values = frozenset[str]()
    for raw in (config.get("services") or {}).values():
        build = raw.get("build")
        arguments = build.get("args") if isinstance(build, dict) else None
        for given in (raw.get("environment"), arguments):
            values |= redaction.values_of(dict(_pairs(given)))
    return values


def of_variables(variables: Mapping[str, str]) -> frozenset[str]:
    """Return the values that Compose secrets and configs take from the environment, for any variable name."""
    return frozenset(variables.values())


def of_files(paths: list[Path]) -> frozenset[str]:
    """The secrets in files of variables; one that cannot be read gives none."""
    values = frozenset[str]()
    for path in paths:
        with contextlib.suppress(OSError):
            lines = path.read_text(errors="replace").splitlines()
            assigned = [match for line in lines if (match := _ASSIGNED.fullmatch(line))]
            values |= redaction.values_of({match[1]: match[2].strip("'\"") for match in assigned})
    return values


def _pairs(given: object) -> Iterator[tuple[str, str]]:
    if isinstance(given, dict):
        # Compose writes a dollar sign as two.
        yield from ((str(name), str(value).replace("$$", "$")) for name, value in given.items() if value)
    elif isinstance(given, list):
        yield from ((name, value) for name, _, value in (str(one).partition("=") for one in given))
