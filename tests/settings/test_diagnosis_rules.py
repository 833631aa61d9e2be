"""The rules that come with the product, each on its own examples, and what is refused in a user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import from_fields
from app.domain.diagnosis.rules import DiagnosisRule, RuleExample, diagnose
from app.settings import diagnosis_rules

SHIPPED = diagnosis_rules.read_rules()
EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.name}-{number}")
    for rule in SHIPPED.rules
    for number, example in enumerate(rule.examples)
]


def test_every_rule_of_the_product_can_be_read_and_has_an_example() -> None:
    assert SHIPPED.faults == ()
    assert [rule.name for rule in SHIPPED.rules if not rule.examples] == []


def test_no_two_files_have_a_rule_of_one_name() -> None:
    listed = [
        rule.name
        for path in diagnosis_rules.SHIPPED.glob("*.toml")
        for rule in diagnosis_rules.read_file(path)[0]
    ]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_rule_speaks_of_its_own_example(rule: DiagnosisRule, example: RuleExample) -> None:
    facts = Facts.of(from_fields(example.evidence))

    (alone,) = diagnose(facts, [rule])
    assert alone.rule == rule.name
    assert "{" not in alone.title.replace("${", "")
    match = rule.when.match(facts)
    assert match is not None
    assert {name: match.groups.get(name) for name in example.groups} == dict(example.groups)


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_no_other_cause_comes_before_that_of_the_example(rule: DiagnosisRule, example: RuleExample) -> None:
    best = diagnose(Facts.of(from_fields(example.evidence)), SHIPPED.rules)[0]

    assert best.cause == rule.cause, best


GOOD = """
[[rule]]
name = "our-licence"
cause = "licence"
title = "The licence of {product} has run out"
confidence = 0.9
suggestion = "Renew it."
when = [{ field = "log", matches = 'licence of (?P<product>\\w+) expired' }]
[rule.example]
"container.state" = "exited"
log = "licence of Forge expired"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / diagnosis_rules.USER_FOLDER).mkdir()
    return tmp_path


def write(folder: Path, text: str, name: str = "ours.toml") -> None:
    (folder / diagnosis_rules.USER_FOLDER / name).write_text(text)


def test_a_user_adds_a_rule_without_code(folder: Path) -> None:
    write(folder, GOOD)

    rule_set = diagnosis_rules.read_rules(folder)

    assert rule_set.faults == ()
    evidence = from_fields({"container.state": "exited", "log": "licence of Forge expired"})
    assert diagnose(Facts.of(evidence), rule_set.rules)[0].title == "The licence of Forge has run out"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("confidence = 0.9", "confidence = 9", "confidence: 9 is no number above 0 and up to 1"),
        ('title = "The', 'titel = "The', "titel: is not a key"),
        ('suggestion = "Renew it."', "", "suggestion: is missing"),
        ('cause = "licence"', 'cause = "The Licence"', "cause: 'The Licence' is not made of"),
        ('field = "log"', 'field = "logs"', "when[0].field: 'logs' is no field"),
        ("matches =", "match =", "when[0].match: is no operator"),
        (
            "licence of (?P<product>\\w+)",
            "licence (of",
            "when[0].matches: 'licence (of expired' is no pattern",
        ),
        ("licence of (?P<product>\\w+)", "(a+)+", "repeats what is repeated already"),
        ("[[rule]]", "[rule]", "has to consist of [[rule]] tables"),
        ("[[rule]]", "[[rule", "is not TOML"),
    ],
)
def test_a_bad_rule_is_one_line_and_leaves_the_others_in_force(
    folder: Path, old: str, new: str, fault: str
) -> None:
    write(folder, GOOD)
    write(folder, GOOD.replace("our-licence", "their-licence").replace(old, new), "theirs.toml")

    rule_set = diagnosis_rules.read_rules(folder)

    (line,) = rule_set.faults
    assert "theirs.toml" in line
    assert fault in line
    assert "\n" not in line
    assert "our-licence" in {rule.name for rule in rule_set.rules}
    assert len(rule_set.rules) == len(SHIPPED.rules) + 1


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    write(folder, GOOD + "#" * diagnosis_rules.LARGEST_FILE)

    (fault,) = diagnosis_rules.read_rules(folder).faults

    assert "is larger than" in fault
