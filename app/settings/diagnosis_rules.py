"""Reads diagnosis rules from TOML: those of the product, and those in `diagnosis.d/` beside power.toml.

A fault is one line that names the file, the rule and the key. It leaves every other rule in force.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.diagnosis.conditions import AllOf, AnyOf, EvidenceCondition, FieldCondition, NoneOf
from app.domain.diagnosis.evidence import FIELDS
from app.domain.diagnosis.rules import DiagnosisRule, PatchTemplate, RuleExample

SHIPPED = Path(__file__).with_name("diagnosis")
"""The folder of the product's own rules."""
USER_FOLDER = "diagnosis.d"
MOST_RULES = 500
LONGEST_RULE_PATTERN = 1000
"""Characters of one pattern."""
LARGEST_FILE = 256 * 1024
_REPEATED_TWICE = re.compile(r"(?<!\\)[+*}]\)(?:[+*]|\{\d*,)")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{1,63}")
_OPERATORS = {
    "equals",
    "one_of",
    "matches",
    "mentions",
    "concludes",
    "contains",
    "covers",
    "above",
    "below",
    "exists",
}
_KEYS = {
    *(
        "name",
        "cause",
        "title",
        "confidence",
        "suggestion",
        "when",
        "patch",
        "supersedes",
        "example",
        "examples",
    ),
}
_PATCHED = {"compose", "dockerfile", "power.toml"}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force, and one line for each that is not."""

    rules: tuple[DiagnosisRule, ...]
    faults: tuple[str, ...] = ()


class _Fault(Exception):
    """What is wrong, with the key."""


def read_rules(beside: Path | None = None) -> RuleSet:
    """The product's rules and those in `diagnosis.d/` in this folder; one of the same name is replaced."""
    files = sorted(SHIPPED.glob("*.toml"))
    if beside is not None:
        files += sorted((beside / USER_FOLDER).glob("*.toml"))
    rules: dict[str, DiagnosisRule] = {}
    faults: list[str] = []
    for path in files:
        valid, wrong = read_file(path)
        faults += wrong
        rules |= {one.name: one for one in valid}
    if len(rules) > MOST_RULES:
        faults.append(
            f"{beside}: {len(rules)} rules, and {MOST_RULES} are read at the most; the last are left out"
        )
    return RuleSet(tuple(rules.values())[:MOST_RULES], tuple(faults))


def read_file(path: Path) -> tuple[list[DiagnosisRule], list[str]]:
    """The rules of one file that can be used, and a line for each fault."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return [], [f"{path}: is larger than {LARGEST_FILE} bytes"]
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return [], [f"{path}: cannot be read: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return [], [f"{path}: is not TOML: {error}"]
    listed = raw.get("rule")
    if not isinstance(listed, list) or raw.keys() - {"rule"}:
        return [], [f"{path}: has to consist of [[rule]] tables"]
    rules: list[DiagnosisRule] = []
    faults: list[str] = []
    for place, one in enumerate(listed, 1):
        named = one.get("name", f"number {place}") if isinstance(one, dict) else f"number {place}"
        try:
            rules.append(_rule(one, path.name))
        except _Fault as fault:
            faults.append(f"{path}: rule {named}: {fault}")
    return rules, faults


def _rule(raw: Any, source: str) -> DiagnosisRule:
    if not isinstance(raw, dict):
        raise _Fault("is no table")
    if strange := sorted(raw.keys() - _KEYS):
        raise _Fault(f"{strange[0]}: is not a key; the keys are {', '.join(sorted(_KEYS))}")
    confidence = raw.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 < confidence <= 1:
        raise _Fault(f"confidence: {confidence!r} is no number above 0 and up to 1")
    when = raw.get("when")
    if not isinstance(when, list) or not when:
        raise _Fault("when: has to be a list of conditions")
    return DiagnosisRule(
        name=_word(raw, "name"),
        cause=_word(raw, "cause"),
        title=_text(raw, "title"),
        confidence=float(confidence),
        suggestion=_text(raw, "suggestion"),
        when=AllOf(tuple(_condition(one, f"when[{place}]") for place, one in enumerate(when))),
        patch=_patch(raw["patch"]) if "patch" in raw else None,
        supersedes=frozenset(_texts(raw.get("supersedes", []), "supersedes")),
        examples=tuple(_examples(raw)),
        source=source,
    )


def _word(raw: Mapping[str, Any], key: str) -> str:
    given = _text(raw, key)
    if not _WORD.fullmatch(given):
        raise _Fault(f"{key}: {given!r} is not made of small letters, digits and hyphens")
    return given


def _text(raw: Mapping[str, Any], key: str) -> str:
    given = raw.get(key)
    if not isinstance(given, str) or not given.strip():
        raise _Fault(f"{key}: is missing" if given is None else f"{key}: {given!r} is no text")
    return given.strip()


def _texts(given: Any, key: str) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise _Fault(f"{key}: {given!r} is neither a text nor a list of texts")
    return texts


def _condition(raw: Any, key: str) -> EvidenceCondition:
    if not isinstance(raw, dict):
        raise _Fault(f"{key}: {raw!r} is no table")
    for word, kind in (("any", AnyOf), ("all", AllOf)):
        if word in raw:
            return kind(tuple(_several(raw, word, key)))
    if "not" in raw:
        if raw.keys() != {"not"}:
            raise _Fault(f"{key}: `not` stands alone")
        return NoneOf(_condition(raw["not"], f"{key}.not"))
    return _field_condition(raw, key)


def _several(raw: Mapping[str, Any], word: str, key: str) -> Iterator[EvidenceCondition]:
    if raw.keys() != {word} or not isinstance(raw[word], list) or not raw[word]:
        raise _Fault(f"{key}.{word}: has to be a list of conditions, and to stand alone")
    for place, one in enumerate(raw[word]):
        yield _condition(one, f"{key}.{word}[{place}]")


def _field_condition(raw: Mapping[str, Any], key: str) -> FieldCondition:
    name = raw.get("field")
    if name not in FIELDS:
        raise _Fault(
            f"{key}.field: {name!r} is no field of the evidence; see docs/diagnosis.md for their names"
        )
    if strange := sorted(raw.keys() - _OPERATORS - {"field"}):
        raise _Fault(f"{key}.{strange[0]}: is no operator; they are {', '.join(sorted(_OPERATORS))}")
    if raw.keys() == {"field"}:
        raise _Fault(f"{key}: names a field and no operator")
    asked = raw.keys() - {"field"}
    if name == "log" and not (asked == {"mentions"} or asked <= {"matches", "concludes"}):
        raise _Fault(f"{key}: the log can only be asked what it `matches`, `concludes` or `mentions`")
    if name != "log" and "concludes" in asked:
        raise _Fault(f"{key}.concludes: is for the log alone")
    return FieldCondition(
        field=name,
        equals=_plain(raw, "equals", key),
        one_of=tuple(raw.get("one_of", ())),
        matches=_patterns(raw, "matches", key),
        mentions=_patterns(raw, "mentions", key),
        concludes=_patterns(raw, "concludes", key),
        contains=str(raw.get("contains", "")),
        covers=str(raw.get("covers", "")),
        above=_number(raw, "above", key),
        below=_number(raw, "below", key),
        exists=_flag(raw, key),
    )


def _plain(raw: Mapping[str, Any], name: str, key: str) -> str | int | float | bool | None:
    given = raw.get(name)
    if given is not None and not isinstance(given, str | int | float):
        raise _Fault(f"{key}.{name}: {given!r} is neither a text nor a number nor true or false")
    return given


def _number(raw: Mapping[str, Any], name: str, key: str) -> float | None:
    given = raw.get(name)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float)):
        raise _Fault(f"{key}.{name}: {given!r} is no number")
    return given


def _flag(raw: Mapping[str, Any], key: str) -> bool | None:
    given = raw.get("exists")
    if given is not None and not isinstance(given, bool):
        raise _Fault(f"{key}.exists: {given!r} is neither true nor false")
    return given


def _patterns(raw: Mapping[str, Any], name: str, key: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(one, f"{key}.{name}") for one in _texts(raw.get(name, []), f"{key}.{name}"))


def _pattern(given: str, key: str) -> re.Pattern[str]:
    if len(given) > LONGEST_RULE_PATTERN:
        raise _Fault(f"{key}: is longer than {LONGEST_RULE_PATTERN} characters")
    if _REPEATED_TWICE.search(given):
        raise _Fault(f"{key}: {given!r} repeats what is repeated already, which may take for ever")
    try:
        return re.compile(given)
    except re.error as error:
        raise _Fault(f"{key}: {given!r} is no pattern: {error}") from error


def _patch(raw: Any) -> PatchTemplate:
    keys = {"file", "key", "value", "line", "copy"}
    if not isinstance(raw, dict) or not all(isinstance(one, str) for one in raw.values()):
        raise _Fault("patch: has to be a table of texts")
    if strange := sorted(raw.keys() - keys):
        raise _Fault(f"patch.{strange[0]}: is not a key; the keys are {', '.join(sorted(keys))}")
    if raw.get("file") not in _PATCHED:
        raise _Fault(f"patch.file: {raw.get('file')!r} is none of {', '.join(sorted(_PATCHED))}")
    return PatchTemplate(**raw)


def _examples(raw: Mapping[str, Any]) -> Iterator[RuleExample]:
    listed = raw.get("examples", [raw["example"]] if "example" in raw else [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _Fault("examples: has to be a list of tables")
    for one in listed:
        evidence = {name: value for name, value in one.items() if name != "groups"}
        if strange := sorted(evidence.keys() - FIELDS):
            raise _Fault(f"examples.{strange[0]}: is no field of the evidence")
        yield RuleExample(evidence, one.get("groups", {}))
