"""Makes a suggested change into a unified diff of the real file, or into none where that is not certain."""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from app.domain import redaction
from app.domain.diagnosis.evidence import Evidence
from app.domain.diagnosis.rules import PatchTemplate
from app.domain.stack_id import StackId, section_of
from workers.stacks.stack_reader import Served

_LARGEST = 512 * 1024
"""Bytes of a file that is patched."""
_SHORTEST = 4
"""Characters of a variable's value that is looked for."""
_ENDS = re.compile(r"^\s*(ENTRYPOINT|CMD|USER|HEALTHCHECK)\b", re.IGNORECASE)
_FROM = re.compile(r"^\s*FROM\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PatchTarget:
    """What a patch is made for: a service, its evidence, the rendered compose files and power.toml."""

    served: Served
    evidence: Evidence
    config: Mapping[str, Any]
    power_toml: Path
    around: int = 3
    """Lines that a diff shows before and after the change."""

    @property
    def service(self) -> str:
        """The service whose section is changed."""
        return self.evidence.service

    @property
    def defined(self) -> Mapping[str, Any]:
        """What the rendered compose files say of the service."""
        return (self.config.get("services") or {}).get(self.service) or {}


@dataclass(frozen=True, slots=True)
class Patch:
    """A unified diff of one file. Its paths are relative to `directory`."""

    file: str
    diff: str
    directory: str


def make_patch(target: PatchTarget, change: PatchTemplate) -> Patch | None:
    """The change as a diff; None where the file is not found or the place in it is not certain.

    A diff shows no value of a variable, and so perhaps fewer lines around the change; None where that cannot
    be. Raises OSError where a file cannot be read, and ValueError where it is not what it should be.
    """
    for around in (3, 2, 1):
        patch = _make_patch(replace(target, around=around), change)
        if patch is None or not _shows_values(target, patch.diff):
            return patch
    return None


def _shows_values(target: PatchTarget, diff: str) -> bool:
    """Has the diff a value of the service's variables, or what looks like a secret?"""
    given = target.defined.get("environment")
    values = [str(one) for one in given.values() if one] if isinstance(given, dict) else []
    context = [line for line in diff.splitlines() if not line.startswith(("+", "-"))]
    if any(value in line for value in values if len(value) >= _SHORTEST for line in context):
        return True
    return redaction.redact(diff) != diff


def _make_patch(target: PatchTarget, change: PatchTemplate) -> Patch | None:
    if change.file == "compose":
        return _compose_patch(target, change)
    if change.file == "dockerfile":
        return _dockerfile_patch(target, change)
    return _power_toml_patch(target, change)


def _diff(target: PatchTarget, path: Path, directory: Path, before: str, after: str) -> Patch | None:
    if before == after:
        return None
    try:
        name = str(path.resolve().relative_to(directory.resolve()))
    except ValueError:
        directory, name = path.parent, path.name
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{name}",
        f"b/{name}",
        n=target.around,
    )
    ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return Patch(name, "".join(ended), str(directory))


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path} is too large")
    with path.open(newline="") as opened:
        return opened.read()


# The compose file.


def _compose_patch(target: PatchTarget, change: PatchTemplate) -> Patch | None:
    place = target.served.place
    if place is None:
        return None
    for name in reversed(_files(target)):
        path = place.directory / name
        before = _text(path)
        after = set_in_service(before, target.service, change.key.split("."), json.loads(change.value))
        if after is not None:
            return _diff(target, path, place.directory, before, after)
    return None


def _files(target: PatchTarget) -> tuple[str, ...]:
    """The compose files as people write them; a stack is started from a rendered copy."""
    place = target.served.place
    return () if place is None else place.written or place.files


def set_in_service(text: str, service: str, keys: list[str], value: Any) -> str | None:
    """Return a compose file with one entry of a service set; None if the file does not define the
    service.

    The rest of the file stays as it is, comments included.
    """
    node = _child(_child(yaml.compose(text), "services"), service)
    depth = 0
    while isinstance(node, yaml.MappingNode) and depth < len(keys):
        inner = _child(node, keys[depth])
        if inner is None:
            return _insert(text, node, keys[depth:], value)
        node, depth = inner, depth + 1
    if isinstance(node, yaml.ScalarNode) and depth == len(keys):
        return text[: node.start_mark.index] + json.dumps(value) + text[node.end_mark.index :]
    return None


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if getattr(name, "value", None) == key), None)


def _insert(text: str, node: yaml.MappingNode, keys: list[str], value: Any) -> str | None:
    if not node.value:
        return None
    first = node.value[0][0].start_mark
    for key in reversed(keys[1:]):
        value = {key: value}
    if node.flow_style:
        between = text[node.start_mark.index + 1 : first.index]
        entry = f"{json.dumps(keys[0])}: {json.dumps(value)},"
        return text[: first.index] + entry + (between or " ") + text[first.index :]
    indent = " " * first.column
    entry = "\n".join(_block(keys[0], value, indent))
    begin = first.index - first.column
    return f"{text[:begin]}{entry}\n{text[begin:]}"


def _block(key: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        return [
            f"{indent}{key}:",
            *(line for inner, one in value.items() for line in _block(inner, one, indent + "  ")),
        ]
    return [f"{indent}{key}: {json.dumps(value)}"]


# The Dockerfile.


def _dockerfile_patch(target: PatchTarget, change: PatchTemplate) -> Patch | None:
    build = target.defined.get("build")
    if not isinstance(build, dict) or build.get("dockerfile_inline") or not build.get("context"):
        return None
    context = Path(str(build["context"]))
    path = context / str(build.get("dockerfile") or "Dockerfile")
    before = _text(path)
    line = _copy(target, context, before, change.copy) if change.copy else change.line
    if not line or (line.startswith("RUN ") and _from_scratch(before)):
        return None
    place = target.served.place
    after = add_to_last_stage(before, line)
    return _diff(target, path, place.directory if place else context, before, after)


def _copy(target: PatchTarget, context: Path, dockerfile: str, module: str) -> str:
    """The line that copies a module to where the program looks for it; empty where that is not certain."""
    if not re.fullmatch(r"[A-Za-z_]\w*", module):
        return ""
    folder, file = context / module, context / f"{module}.py"
    source = (
        module if folder.is_dir() and any(folder.glob("*.py")) else f"{module}.py" if file.is_file() else ""
    )
    if not source or re.search(
        rf"^\s*(?:COPY|ADD)\b.*(?:\s|/|\"){re.escape(source)}/?[\s\",]", dockerfile, re.M
    ):
        return ""
    beside = posixpath.join(_program_folder(target.evidence), source)
    return f"COPY {source} {beside}{'/' if folder.is_dir() else ''}"


def _program_folder(evidence: Evidence) -> str:
    """Where Python looks first: the folder of the script that it runs, else the working directory."""
    script = next((one for one in evidence.container.command[1:] if one.endswith(".py")), "")
    return posixpath.dirname(posixpath.join(evidence.container.working_dir or "/", script or "x"))


def _from_scratch(dockerfile: str) -> bool:
    """Has the last stage no shell that could run a command?"""
    named = [match[1] for line in dockerfile.splitlines() if (match := _FROM.match(line))]
    return not named or named[-1].lower() == "scratch"


def add_to_last_stage(dockerfile: str, line: str) -> str:
    """A Dockerfile with a line before the first ENTRYPOINT, CMD, USER or HEALTHCHECK of its last stage."""
    lines = dockerfile.splitlines(keepends=True)
    begin = max((place for place, one in enumerate(lines) if _FROM.match(one)), default=-1) + 1
    at = next((place for place in range(begin, len(lines)) if _ENDS.match(lines[place])), len(lines))
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if at == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    return "".join([*lines[:at], line + newline, *lines[at:]])


# power.toml.


def _power_toml_patch(target: PatchTarget, change: PatchTemplate) -> Patch | None:
    before = _text(target.power_toml)
    after = set_in_toml(before, target.served.spec.name, target.service, change.key, change.value)
    return (
        None if after is None else _diff(target, target.power_toml, target.power_toml.parent, before, after)
    )


def set_in_toml(text: str, stack: StackId, service: str, key: str, value: str) -> str | None:
    """power.toml with a setting of a service added; None where it is set already or the section is inline."""
    header = f"[{section_of(stack)}.services.{service}]"
    lines = text.splitlines(keepends=True)
    if any(re.match(r"\s*services\s*[.=]", line) for line in lines):
        return None
    at = next((place for place, line in enumerate(lines) if line.split("#")[0].strip() == header), None)
    if at is None:
        ended = text if text.endswith("\n") or not text else text + "\n"
        return f"{ended}\n{header}\n{key} = {value}\n"
    section = lines[at + 1 :]
    end = next((place for place, line in enumerate(section) if line.lstrip().startswith("[")), len(section))
    if any(re.match(rf"\s*{re.escape(key)}\s*=", line) for line in section[:end]):
        return None
    return "".join([*lines[: at + 1], f"{key} = {value}\n", *section])
