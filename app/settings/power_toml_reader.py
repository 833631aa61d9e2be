"""Reads power.toml into one `PowerToml` value.

A fault sets apart the stack or the namespace that has it, where a stack without faults is left. Any other
fault rejects the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.domain.stack_id import StackId, namespace_of
from app.settings import namespace_toml
from app.settings.errors import ConfigError
from app.settings.intent_toml import read_intents
from app.settings.power_toml import PowerToml, RejectedToml, StackToml, WholeToml
from app.settings.power_toml_faults import fault_line, is_a_cause


def read_power_toml(path: Path) -> PowerToml:
    """Read and check power.toml; raises ConfigError with one line per fault.

    Stacks and namespaces with faults are set apart where there is a stack without, and nothing else is wrong.
    A stack's `directory` is taken from where the file lies, not from where the process runs.
    """
    raw = _load(path)
    if faults := namespace_toml.faults_of_notices(raw):
        raise ConfigError(_in_file(path, faults))
    apart = namespace_toml.find_unread(raw)
    unread = {name: tuple(_in_file(path, lines)) for name, lines in apart.namespaces.items()}
    rejected = {
        StackId(name): _set_apart(name, one.section, _in_file(path, one.faults), is_nameable=one.is_nameable)
        for name, one in apart.stacks.items()
    }
    flat = namespace_toml.flatten(raw, apart)
    if not flat.get("stacks") and (rejected or unread):
        raise ConfigError(PowerToml({}, rejected=rejected, unread=unread).set_apart_faults)
    parsed = _parse(path, flat, rejected, unread)
    beside = path.absolute().parent
    stacks = {StackId(name): _place(stack, beside) for name, stack in parsed.stacks.items()}
    features = parsed.features.switches()
    toml = PowerToml(stacks, parsed.notices, rejected, unread, features, mqtt=parsed.mqtt)
    intents, intent_faults = read_intents(path, parsed.intents, toml)
    if intent_faults:
        raise ConfigError(intent_faults)
    return replace(toml, intents=intents)


def _load(path: Path) -> dict[str, Any]:
    """The tables as they are written; raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; name one with --config"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _in_file(path: Path, faults: Iterable[str]) -> list[str]:
    return [f"{path}: {fault}" for fault in faults]


def _parse(
    path: Path,
    flat: Mapping[str, Any],
    rejected: dict[StackId, RejectedToml],
    unread: dict[str, tuple[str, ...]],
) -> WholeToml:
    """The checked tables. What has faults is added to `rejected` and `unread`. Raises ConfigError."""
    try:
        return WholeToml.model_validate(flat)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if is_a_cause(fault)]
        subjects = [_subject_of(fault) for fault in faults]
        wrong = _rejected_stacks(path, flat, faults)
        if "" in subjects or not flat["stacks"].keys() - wrong.keys():
            raise ConfigError([fault_line(path, fault) for fault in faults]) from error
    rejected.update(wrong)
    for namespace, lines in _by_namespace(path, faults).items():
        unread[namespace] = tuple(lines)
    return WholeToml.model_validate(_without(flat, wrong, unread))


def _subject_of(fault: Any) -> str:
    """The stack, or the notice of a namespace, that has a fault; empty where the whole file is concerned."""
    section, *rest = fault["loc"]
    if section == "stacks" and rest:
        return str(rest[0])
    return str(rest[0]) if section == "notices" and rest and namespace_of(str(rest[0])) else ""


def _by_namespace(path: Path, faults: Iterable[Any]) -> dict[str, list[str]]:
    """The faults of notices of a namespace as lines, by the namespace."""
    by_namespace: dict[str, list[str]] = {}
    for fault in faults:
        if fault["loc"][0] == "notices":
            by_namespace.setdefault(namespace_of(_subject_of(fault)), []).append(fault_line(path, fault))
    return by_namespace


def _rejected_stacks(path: Path, flat: Mapping[str, Any], faults: list[Any]) -> dict[StackId, RejectedToml]:
    """The stacks that have faults themselves, or whose namespace has a notice with some."""
    by_stack: dict[str, list[Any]] = {}
    for fault in faults:
        if fault["loc"][0] == "stacks" and len(fault["loc"]) > 1:
            by_stack.setdefault(str(fault["loc"][1]), []).append(fault)
    by_namespace = _by_namespace(path, faults)
    stacks = flat["stacks"] if isinstance(flat.get("stacks"), dict) else {}
    rejected = {}
    for name, section in stacks.items():
        own = by_stack.get(name, [])
        if lines := [*by_namespace.get(namespace_of(name), ()), *(fault_line(path, fault) for fault in own)]:
            is_nameable = not any("[key]" in fault["loc"] for fault in own)
            rejected[StackId(name)] = _set_apart(name, section, lines, is_nameable=is_nameable)
    return rejected


def _without(flat: Mapping[str, Any], stacks: Collection[str], namespaces: Collection[str]) -> dict[str, Any]:
    """The tables without these stacks, and without the notices of these namespaces."""
    good = {name: one for name, one in flat["stacks"].items() if name not in stacks}
    notices = {
        name: one
        for name, one in flat.get("notices", {}).items()
        if not (namespace_of(name) and namespace_of(name) in namespaces)
    }
    return {**flat, "stacks": good, "notices": notices}


def _set_apart(name: str, section: Any, faults: Iterable[str], *, is_nameable: bool) -> RejectedToml:
    table = section if isinstance(section, dict) else {}
    project, node, core = table.get("project"), table.get("node"), table.get("core")
    return RejectedToml(
        project if isinstance(project, str) else name.rpartition("/")[2],
        node if isinstance(node, str) else "local",
        frozenset(one for one in core if isinstance(one, str)) if isinstance(core, list) else frozenset(),
        tuple(faults),
        is_nameable,
    )


def _place(stack: StackToml, beside: Path) -> StackToml:
    return stack.model_copy(update={"directory": (beside / stack.directory).resolve()})
