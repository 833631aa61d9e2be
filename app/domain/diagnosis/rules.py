"""Rules as values, and the one function that applies them to evidence.

A rule applies where its conditions hold and its confidence, multiplied by the weight of the matched
lines, is high enough. If no rule applies, the cause is "unknown".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.diagnosis.conditions import AllOf, Facts

ENOUGH = 0.5
"""The confidence below which a rule does not speak."""
UNKNOWN_CAUSE = "unknown"
MOST_CAUSES = 5
_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class PatchTemplate:
    """A change that a rule suggests, with `{names}` still to be filled in.

    `file` is `compose`, `dockerfile` or `power.toml`. `key` and `value` (in JSON) set an entry of the
    service's section. To the last stage of a Dockerfile `line` is added, before its ENTRYPOINT, CMD or USER;
    `copy` names what is copied from the build context, as `switch` for `switch/` or `switch.py`.
    """

    file: str
    key: str = ""
    value: str = ""
    line: str = ""
    copy: str = ""

    def fill(self, facts: Facts) -> PatchTemplate:
        """The same, with every name filled in."""
        return PatchTemplate(
            self.file, *(facts.text(one) for one in (self.key, self.value, self.line, self.copy))
        )


@dataclass(frozen=True, slots=True)
class RuleExample:
    """Evidence on which a rule has to speak, by field names; `groups` are what it has to find."""

    evidence: Mapping[str, Any]
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiagnosisRule:
    """One rule: conditions, and what follows where they hold. `source` is the file that it comes from."""

    name: str
    cause: str
    title: str
    confidence: float
    suggestion: str
    when: AllOf
    patch: PatchTemplate | None = None
    supersedes: frozenset[str] = frozenset()
    """Causes that say less, and are left out where this rule speaks."""
    examples: tuple[RuleExample, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One possible cause, with what speaks for it.

    `confidence` is from 0 to 1. `rule` is the name of the rule that spoke, empty where none did.
    `change` is what a patch would change, before it is made from the real files.
    """

    cause: str
    title: str
    confidence: float
    evidence: tuple[str, ...]
    suggestion: str
    rule: str = ""
    source: str = ""
    change: PatchTemplate | None = None

    @property
    def is_known(self) -> bool:
        """Does any rule name the cause?"""
        return self.cause != UNKNOWN_CAUSE


def diagnose(facts: Facts, rules: Iterable[DiagnosisRule]) -> list[Diagnosis]:
    """What the rules say, the most certain first; one `unknown` where none is certain enough.

    A cause is named once, by the rule that is most certain of it.
    """
    spoken = [(rule, one) for rule in rules if (one := _speak(rule, facts)) is not None]
    superseded = {cause for rule, _one in spoken for cause in rule.supersedes - {rule.cause}}
    best: dict[str, Diagnosis] = {}
    for _rule, one in sorted(spoken, key=lambda pair: -pair[1].confidence):
        if one.cause not in superseded:
            best.setdefault(one.cause, one)
    return list(best.values())[:MOST_CAUSES] or [_unknown(facts)]


def _speak(rule: DiagnosisRule, facts: Facts) -> Diagnosis | None:
    match = rule.when.match(facts)
    if match is None or rule.confidence * match.weight < ENOUGH:
        return None
    enriched = Facts(facts.evidence, facts.values, match.groups)
    return Diagnosis(
        cause=rule.cause,
        title=enriched.text(rule.title),
        confidence=round(rule.confidence * match.weight, 2),
        evidence=match.lines[:_MOST_LINES] or _state(facts),
        suggestion=enriched.text(rule.suggestion),
        rule=rule.name,
        source=rule.source,
        change=rule.patch.fill(enriched) if rule.patch else None,
    )


def _unknown(facts: Facts) -> Diagnosis:
    return Diagnosis(
        UNKNOWN_CAUSE,
        "The cause is not known",
        0.0,
        (*_state(facts), *facts.evidence.log.lines[-3:], *facts.evidence.call.stderr[-2:])[:_MOST_LINES],
        "Read the service's log. A rule in diagnosis.d/ beside power.toml teaches the product this cause.",
    )


def _state(facts: Facts) -> tuple[str, ...]:
    """What the engine says of the container, in one line."""
    container = facts.evidence.container
    if not container.state:
        return (facts.evidence.detail,) if facts.evidence.detail else ()
    code = (
        ""
        if container.exit_code is None or container.state == "running"
        else f", exit code {container.exit_code}"
    )
    killed = ", out of memory" if container.oom_killed else ""
    health = f", {facts.evidence.health.status}" if facts.evidence.health.status else ""
    return (f"container {container.state}{code}{killed}{health}, {container.restarts} restarts",)
