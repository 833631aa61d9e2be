"""`[namespaces.NAMESPACE]` of power.toml: the stacks and notices of one namespace.

    [namespaces.team_a.stacks.studio]    as [stacks.NAME]
    [namespaces.team_a.notices.ops]      as [notices.NAME]

They are read as sections named `team_a/studio` and `team_a/ops`, which is the text form of their names.
A fault sets apart the namespace or the stack that has it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain import names, scenarios
from app.domain.features import how_to_switch_on
from app.domain.stack_id import NAMESPACE_PATTERN, namespace_of, qualify

SECTIONS = ("stacks", "notices")
"""What may belong to a namespace."""
EVERY_NAMESPACE = "*"
"""Stands for every namespace of a file whose `[namespaces]` cannot be read at all."""
_LONGEST = 120
_NAMEABLE = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


@dataclass(frozen=True, slots=True)
class UnreadStack:
    """A stack that is not read: its table, one line for each fault, and whether a stack may have its name."""

    section: Any
    faults: tuple[str, ...]
    is_nameable: bool


@dataclass(frozen=True, slots=True)
class UnreadTables:
    """What of a file is set apart for its faults. It keeps nothing else from being read."""

    stacks: Mapping[str, UnreadStack] = field(default_factory=dict)
    """By qualified name."""
    namespaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The faults of namespaces of which nothing is read; EVERY_NAMESPACE stands for all that there are."""


def find_unread(raw: Mapping[str, Any]) -> UnreadTables:
    """What of these tables is set apart: whole namespaces, and stacks whose name has a fault."""
    namespaces = dict(_unread_namespaces(raw))
    stacks = {
        qualify(namespace, name): stack
        for namespace, content in _tables(raw.get("namespaces")).items()
        for name, stack in _unread_stacks(namespace, content, namespaces)
    }
    misplaced = {
        name: UnreadStack(table, (_fault_of_misplaced("stacks", name),), False)
        for name, table in _tables(raw.get("stacks")).items()
        if namespace_of(name)
    }
    return UnreadTables(stacks | misplaced, namespaces)


def flatten(raw: Mapping[str, Any], unread: UnreadTables) -> dict[str, Any]:
    """The file's tables without `namespaces`: what belongs to one is among `stacks` and `notices`.

    There it has its qualified name. What is set apart is left out.
    """
    flat = {name: table for name, table in raw.items() if name != "namespaces"}
    for section in SECTIONS:
        tables = {
            qualify(namespace, name): table
            for namespace, content in _tables(raw.get("namespaces")).items()
            if not unread.namespaces.keys() & {namespace, EVERY_NAMESPACE}
            for name, table in _tables(content.get(section)).items()
        }
        own = raw.get(section, {})
        if isinstance(own, dict) and (tables or section in raw):
            every = tables | own
            left_out = unread.stacks if section == "stacks" else ()
            flat[section] = {name: table for name, table in every.items() if name not in left_out}
    return flat


def faults_of_notices(raw: Mapping[str, Any]) -> list[str]:
    """The faults of `[notices."a/b"]`, one line each, which begins with the key."""
    names_of_own = _tables(raw.get("notices"))
    return [_fault_of_misplaced("notices", name) for name in names_of_own if namespace_of(name)]


def _tables(value: Any) -> dict[str, Any]:
    """The value where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def _fault_of_misplaced(section: str, name: str) -> str:
    namespace, _, short = name.partition("/")
    if not re.fullmatch(NAMESPACE_PATTERN, namespace):
        return f'{section}."{name}": a name has no `/`'
    return f'{section}."{name}": write [namespaces.{namespace}.{section}.{short}]'


def _unread_namespaces(raw: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if "namespaces" not in raw:
        return
    namespaces = raw["namespaces"]
    if _tables(raw.get("features")).get("namespaces") is not True:
        fault = f"namespaces: namespaces are off; {how_to_switch_on('namespaces')}"
        yield EVERY_NAMESPACE, (fault,)
    elif not isinstance(namespaces, dict):
        yield EVERY_NAMESPACE, ("namespaces: is not a table; write [namespaces.NAME.stacks.NAME]",)
    else:
        for namespace, content in namespaces.items():
            if faults := tuple(_faults_of(namespace, content)):
                yield namespace, faults


def _unread_stacks(
    namespace: str, content: Any, unread: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, UnreadStack]]:
    """The stacks of a namespace that are set apart, by their names in it."""
    key = f"namespaces.{namespace}"
    all_faults = unread.get(namespace) or unread.get(EVERY_NAMESPACE) or ()
    is_namespace = EVERY_NAMESPACE not in unread and not list(_name_faults_of(namespace))
    for name, table in _tables(_tables(content).get("stacks")).items():
        own_faults = tuple(_fault_of_name(f"{key}.stacks", namespace, name))
        if faults := all_faults + own_faults:
            is_nameable = is_namespace and not own_faults and re.fullmatch(_NAMEABLE, name) is not None
            yield name, UnreadStack(table, faults, is_nameable)


def _name_faults_of(namespace: str) -> Iterator[str]:
    key = f"namespaces.{namespace}"
    if not re.fullmatch(NAMESPACE_PATTERN, namespace):
        permitted = "at most 39 lower-case letters, digits, `-` and `_`, first a letter"
        yield f"{key}: {namespace!r} is no name of a namespace: {permitted}"
    if namespace in names.RESERVED:
        yield f"{key}: {namespace!r} is reserved; also {', '.join(sorted(names.RESERVED - {namespace}))}"


def _faults_of(namespace: str, content: Any) -> Iterator[str]:
    """The faults for which nothing of a namespace is read."""
    key = f"namespaces.{namespace}"
    yield from _name_faults_of(namespace)
    if not isinstance(content, dict) or not content.get("stacks"):
        yield f"{key}: has no stack; write [{key}.stacks.NAME]"
        return
    for section, tables in content.items():
        if section not in SECTIONS:
            yield f"{key}.{section}: is not a setting{scenarios.suggestion(str(section), SECTIONS)}"
        elif not isinstance(tables, dict):
            yield f"{key}.{section}: is not a table; write [{key}.{section}.NAME]"
        elif section == "notices":
            for name in tables:
                yield from _fault_of_name(f"{key}.notices", namespace, name)


def _fault_of_name(key: str, namespace: str, name: str) -> Iterator[str]:
    """What is wrong with the name of a stack or notice of a namespace."""
    if "/" in name:
        yield f'{key}."{name}": a name has no `/`'
    elif len(qualify(namespace, name)) > _LONGEST:
        yield f"{key}.{name}: with its namespace it is over {_LONGEST} characters"
    elif name.lower() in names.RESERVED:
        others = ", ".join(sorted(names.RESERVED - {name.lower()}))
        yield f"{key}.{name}: {name!r} is reserved; also {others}"


def key_parts(parts: list[Any]) -> list[Any]:
    """The parts of a key as the file has them, from those of a flattened one."""
    if len(parts) < 2 or parts[0] not in SECTIONS or not namespace_of(str(parts[1])):
        return parts
    namespace, _, name = str(parts[1]).partition("/")
    return ["namespaces", namespace, parts[0], name, *parts[2:]]
