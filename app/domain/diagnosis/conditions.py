"""Conditions over evidence, as rules write them, and how they are evaluated.

    {field = "log", matches = "No module named '(?P<module>[^']+)'"}
    {field = "container.exit_code", equals = 1}
    {any = [{...}, {...}]}    {all = [{...}, {...}]}    {not = {...}}

A match passes on the values of its named groups. Later conditions and the rule's texts write that as
`{module}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.diagnosis import log_weight
from app.domain.diagnosis.evidence import Evidence, FieldValue, fields

_NAME = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)?)\}")
_LISTED = 6
"""Entries of a list that a text shows."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The evidence, its fields by name, and what the conditions before have found."""

    evidence: Evidence
    values: Mapping[str, FieldValue]
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Evidence) -> Facts:
        """The facts before any condition has been evaluated."""
        return cls(evidence, fields(evidence))

    def text(self, template: str) -> str:
        """A template with groups and fields filled in; a name that has no value stays empty."""
        return _NAME.sub(lambda name: self._show(name[1]), template)

    def _show(self, name: str) -> str:
        if name in self.groups:
            return self.groups[name]
        value = self.values.get(name)
        if isinstance(value, tuple):
            return ", ".join(value[:_LISTED]) + (", …" if len(value) > _LISTED else "")
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class ConditionMatch:
    """A condition that holds: what it found, the lines that show it, and how much they weigh (0 to 1)."""

    groups: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    weight: float = 1.0

    def join(self, other: ConditionMatch) -> ConditionMatch:
        """Both of them: the groups of both, and the lower weight."""
        lines = tuple(dict.fromkeys((*self.lines, *other.lines)))
        return ConditionMatch({**self.groups, **other.groups}, lines, min(self.weight, other.weight))


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """A condition over one field. Every operator that is given has to hold.

    `matches` holds where one of the patterns is found: in the line of the log that weighs most, in one entry
    of a list, or in a text. `mentions`, of the log alone, holds where any line has it, and weighs nothing.
    `concludes`, of the log alone, is `matches` for words that are in use outside of programs too: no line
    comes after the found one that says anything but that the program ends.
    `covers` holds where an entry of a list is the given path or a directory above it.
    """

    field: str
    equals: str | int | float | bool | None = None
    one_of: tuple[str | int, ...] = ()
    matches: tuple[re.Pattern[str], ...] = ()
    mentions: tuple[re.Pattern[str], ...] = ()
    concludes: tuple[re.Pattern[str], ...] = ()
    contains: str = ""
    covers: str = ""
    above: float | None = None
    below: float | None = None
    exists: bool | None = None

    def match(self, facts: Facts) -> ConditionMatch | None:
        """Return the match; None if the condition does not hold."""
        if self.field == "log":
            return self._in_log(facts)
        value = facts.values[self.field]
        if not self._holds(facts, value):
            return None
        if not self.matches:
            return ConditionMatch()
        return self._in_value(value)

    def _holds(self, facts: Facts, value: FieldValue) -> bool:
        entries = value if isinstance(value, tuple) else ()
        checks = (
            self.equals is None or _equal(value, self.equals, facts),
            not self.one_of or value in self.one_of,
            not self.contains or _fill(facts, self.contains) in entries,
            not self.covers or _covers(_fill(facts, self.covers), entries),
            self.above is None or (_number(value) and value > self.above),  # type: ignore[operator]
            self.below is None or (_number(value) and value < self.below),  # type: ignore[operator]
            self.exists is None or bool(value) is self.exists,
        )
        return all(checks)

    def _in_value(self, value: FieldValue) -> ConditionMatch | None:
        texts = value if isinstance(value, tuple) else () if value is None else (str(value),)
        for pattern in self.matches:
            for text in reversed(texts):
                if match := pattern.search(text[: log_weight.LONGEST_LINE]):
                    line = text.strip() if isinstance(value, tuple) else f"{self.field}: {text.strip()}"
                    return ConditionMatch(_groups(match), (line,))
        return None

    def _in_log(self, facts: Facts) -> ConditionMatch | None:
        """The line that weighs most, the latest of several."""
        lines = facts.evidence.log.lines
        if self.mentions:
            return _mention(lines, self.mentions)
        best: ConditionMatch | None = None
        first_of_end = log_weight.start_of_end(lines) if self.concludes else 0
        for pattern in (*self.matches, *self.concludes):
            first = first_of_end if pattern in self.concludes else 0
            for place in range(len(lines) - 1, first - 1, -1):
                if match := pattern.search(lines[place]):
                    heaviness = log_weight.weight(facts.evidence, place, pattern)
                    if best is None or heaviness > best.weight:
                        best = ConditionMatch(_groups(match), (lines[place].strip(),), heaviness)
        return best


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds, in order: one may use what those before it found."""

    conditions: tuple[EvidenceCondition, ...]

    def match(self, facts: Facts) -> ConditionMatch | None:
        """What all of them found; None where one does not hold."""
        joined = ConditionMatch()
        for condition in self.conditions:
            enriched = Facts(facts.evidence, facts.values, {**facts.groups, **joined.groups})
            if (one := condition.match(enriched)) is None:
                return None
            joined = joined.join(one)
        return joined


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the conditions holds; the one that weighs most counts."""

    conditions: tuple[EvidenceCondition, ...]

    def match(self, facts: Facts) -> ConditionMatch | None:
        """What the heaviest of them found; None where none holds."""
        matches = [one for condition in self.conditions if (one := condition.match(facts)) is not None]
        return max(matches, key=lambda one: one.weight, default=None)


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The condition does not hold."""

    condition: EvidenceCondition

    def match(self, facts: Facts) -> ConditionMatch | None:
        """Return an empty match if the inner condition does not hold, else None."""
        return ConditionMatch() if self.condition.match(facts) is None else None


EvidenceCondition = FieldCondition | AllOf | AnyOf | NoneOf


def _mention(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> ConditionMatch | None:
    """What the latest line that has one of the patterns says, at full weight."""
    matches = (pattern.search(line) for line in reversed(lines) for pattern in patterns)
    first = next((one for one in matches if one), None)
    return ConditionMatch(_groups(first)) if first else None


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in match.groupdict().items() if value}


def _fill(facts: Facts, template: str) -> str | None:
    return facts.text(template) or None


def _equal(value: FieldValue, wanted: str | int | float | bool, facts: Facts) -> bool:
    if isinstance(wanted, str):
        return value == facts.text(wanted)
    return value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def _number(value: FieldValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _covers(path: str | None, directories: Iterable[str]) -> bool:
    return path is not None and any(
        path == one or path.startswith(one.rstrip("/") + "/") for one in directories
    )


def patterns_of(condition: EvidenceCondition) -> Sequence[re.Pattern[str]]:
    """Every pattern within a condition."""
    if isinstance(condition, FieldCondition):
        return (*condition.matches, *condition.concludes)
    inner = (condition.condition,) if isinstance(condition, NoneOf) else condition.conditions
    return [pattern for one in inner for pattern in patterns_of(one)]
