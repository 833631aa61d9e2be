"""`[namespaces.NAMESPACE]` of power.toml: the stacks and notices of one namespace.

    [namespaces.team_a.stacks.studio]    as [stacks.NAME]
    [namespaces.team_a.notices.ops]      as [notices.NAME]

They are read as sections named `team_a/studio` and `team_a/ops`, which is the text form of their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain import names, scenarios
from app.domain.features import how_to_switch_on
from app.domain.stack_id import NAMESPACE_PATTERN, namespace_of, qualify

SECTIONS = ("stacks", "notices")
"""What may belong to a namespace."""
_LONGEST = 120


def flatten(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The file's tables with what belongs to namespaces among `stacks` and `notices`, by qualified names."""
    namespaces = raw.get("namespaces")
    flat = {name: table for name, table in raw.items() if name != "namespaces"}
    if not isinstance(namespaces, dict):
        return flat
    for section in SECTIONS:
        tables = {
            qualify(namespace, name): table
            for namespace, content in namespaces.items()
            if isinstance(content, dict) and isinstance(content.get(section), dict)
            for name, table in content[section].items()
        }
        if tables:
            own = raw.get(section)
            flat[section] = tables | (own if isinstance(own, dict) else {})
    return flat


def misplaced_stacks(raw: Mapping[str, Any]) -> dict[str, str]:
    """The faults of `[stacks."a/b"]` by its name; none where every stack is written so."""
    stacks = raw.get("stacks")
    names = [str(name) for name in stacks if namespace_of(str(name))] if isinstance(stacks, dict) else []
    return (
        {name: _fault_of_misplaced("stacks", name) for name in names}
        if len(names) < len(stacks or ())
        else {}
    )


def _fault_of_misplaced(section: str, name: str) -> str:
    namespace, _, short = name.partition("/")
    if not re.fullmatch(NAMESPACE_PATTERN, namespace):
        return f'{section}."{name}": a name has no `/`'
    return f'{section}."{name}": write [namespaces.{namespace}.{section}.{short}]'


def faults(raw: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the namespaces themselves, one line each, which begins with the key."""
    for section in SECTIONS:
        own = raw.get(section)
        for name in own if isinstance(own, dict) else ():
            if namespace_of(str(name)):
                yield _fault_of_misplaced(section, str(name))
    if "namespaces" not in raw:
        return
    features, namespaces = raw.get("features"), raw["namespaces"]
    if not (isinstance(features, dict) and features.get("namespaces") is True):
        yield f"namespaces: namespaces are off; {how_to_switch_on('namespaces')}"
    elif not isinstance(namespaces, dict):
        yield "namespaces: is not a table; write [namespaces.NAME.stacks.NAME]"
    else:
        for namespace, content in namespaces.items():
            yield from _faults_of(str(namespace), content)


def _faults_of(namespace: str, content: Any) -> Iterator[str]:
    key = f"namespaces.{namespace}"
    if not re.fullmatch(NAMESPACE_PATTERN, namespace):
        permitted = "at most 39 lower-case letters, digits, `-` and `_`, first a letter"
        yield f"{key}: {namespace!r} is no name of a namespace: {permitted}"
    if namespace in names.RESERVED:
        yield f"{key}: {namespace!r} is reserved; also {', '.join(sorted(names.RESERVED - {namespace}))}"
    if not isinstance(content, dict) or not content.get("stacks"):
        yield f"{key}: has no stack; write [{key}.stacks.NAME]"
        return
    for section, tables in content.items():
        if section not in SECTIONS:
            yield f"{key}.{section}: is not a setting{scenarios.suggestion(str(section), SECTIONS)}"
        elif not isinstance(tables, dict):
            yield f"{key}.{section}: is not a table; write [{key}.{section}.NAME]"
        else:
            yield from _name_faults(f"{key}.{section}", namespace, tables)


def _name_faults(key: str, namespace: str, tables: Mapping[str, Any]) -> Iterator[str]:
    for name in map(str, tables):
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
