"""The project that compose files name themselves: what `docker compose` without `-p` would use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.settings import StackToml


def warnings(name: str, stack: StackToml) -> list[str]:
    """Where the files of a stack name another project than power.toml does, and what would be right."""
    own = own_name([stack.directory / file for file in stack.files])
    if not own or own == stack.project:
        return []
    return [
        f"{name}: the compose files name the project {own!r}, and power.toml {stack.project!r}; by hand, use "
        f"`docker compose -p {stack.project}`, or make both the same"
    ]


def own_name(files: list[Path]) -> str:
    """The top-level `name` of these files, the last that has one; nothing where it takes a variable."""
    named = [str(said["name"]) for said in map(_read_yaml, files) if said.get("name")]
    return named[-1] if named and "$" not in named[-1] else ""


def _read_yaml(path: Path) -> dict[str, Any]:
    """The file as YAML; nothing where it cannot be read, which the check of the stack says."""
    try:
        said = yaml.load(path.read_bytes(), Loader=_Lenient)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return said if isinstance(said, dict) else {}


class _Lenient(yaml.SafeLoader):
    """A safe loader that passes over Compose's own tags, `!reset` and `!override`."""


_Lenient.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
