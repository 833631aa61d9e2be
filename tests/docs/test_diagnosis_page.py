"""The page on diagnosis: its rule works, and its lists of fields and causes are those of the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import FIELDS, from_fields
from app.domain.diagnosis.rules import diagnose
from app.settings import diagnosis_rules

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
MARK = "<!-- {0} -->\n"


def field_list() -> str:
    parts: dict[str, list[str]] = {}
    for name in sorted(FIELDS):
        part, _, key = name.rpartition(".")
        parts.setdefault(part, []).append(f"`{key}`")
    rows = [
        f"| {f'`{part}.`…' if part else 'of the service'} | {', '.join(keys)} |"
        for part, keys in parts.items()
    ]
    return "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def cause_list() -> str:
    causes: dict[str, list[str]] = {}
    for rule in diagnosis_rules.read_rules().rules:
        causes.setdefault(rule.cause, []).append(rule.name)
    rows = [
        f"| `{cause}` | {', '.join(f'`{name}`' for name in sorted(names))} |"
        for cause, names in sorted(causes.items())
    ]
    return "\n".join(["| cause | rules |", "|---|---|", *rows]) + "\n"


LISTS = {"fields": field_list, "causes": cause_list}


def with_lists(page: str) -> str:
    for name, made in LISTS.items():
        mark = MARK.format(name)
        head, _, rest = page.partition(mark)
        after = rest[rest.find("\n## ") :] if "\n## " in rest else ""
        page = f"{head}{mark}\n{made()}{after}"
    return page


def test_the_lists_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert with_lists(page) == page, f"the rules have changed: python {__file__} writes the lists"


def test_the_rule_of_the_page_speaks_of_its_example(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(\[\[rule\]\].*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / diagnosis_rules.USER_FOLDER).mkdir()
    (tmp_path / diagnosis_rules.USER_FOLDER / "ours.toml").write_text(text)

    rule_set = diagnosis_rules.read_rules(tmp_path)

    assert rule_set.faults == ()
    (rule,) = [one for one in rule_set.rules if one.name == "licence-expired"]
    best = diagnose(Facts.of(from_fields(rule.examples[0].evidence)), rule_set.rules)[0]
    assert (best.cause, best.title) == ("licence", "The licence of Forge has run out")


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    PAGE.write_text(with_lists(PAGE.read_text()))
