"""The project name in compose files, which `docker compose` without `-p` uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from app.settings import StackToml


def warnings(name: str, stack: StackToml) -> list[str]:
    """A warning where the files of a stack name another project than power.toml, with what to do."""
    named = own_name([stack.directory / file for file in stack.files])
    if not named or named == stack.project:
        return []
    return [
        f"{name}: the compose files name the project {named!r}, and power.toml {stack.project!r}; "
        "by hand, use "
        f"`docker compose -p {stack.project}`, or make both the same"
    ]


def own_name(files: list[Path]) -> str:
    """The top-level `name` of the last file that has one; empty where it uses a variable."""
    names = [str(content["name"]) for content in map(_read_yaml, files) if content.get("name")]
    return names[-1] if names and "$" not in names[-1] else ""


def _read_yaml(path: Path) -> dict[str, Any]:
    """The file as YAML; empty where it cannot be read, which the check of the stack reports."""
    try:
        content = yaml.load(path.read_bytes(), Loader=_Lenient)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


class _Lenient(yaml.SafeLoader):
    """A safe loader that ignores Compose's own tags, `!reset` and `!override`."""


_Lenient.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
