"""Every decision record has the form that docs/decisions/README.md describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs/decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
UNUSED = {16}
"""Numbers that no record has; README.md says why."""
TITLE = re.compile(r"# (\d{4}): \S")
STATUS = re.compile(r"Accepted, \d{4}-\d\d-\d\d\.(\s|$)")
CHANGES = re.compile(r"(?:Supersedes|Extends|Replaces)\b[^.]*")
SECTIONS = ["## Context", "## Decision", "## Cost", "## When to revisit"]
LINK = re.compile(r"\]\((\d{4})-")


def status_of(record: Path) -> str:
    """The text between the title and the first section."""
    return record.read_text().partition("\n")[2].partition("\n## ")[0].strip()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_title_status_and_four_sections(record: Path) -> None:
    text = record.read_text()
    title = TITLE.match(text)
    assert title, "the first line is `# NNNN: Title`"
    assert title[1] == record.name[:4]
    assert STATUS.match(status_of(record)), "the status is `Accepted, YYYY-MM-DD.`"
    assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_an_older_record_names_the_one_that_changes_it(record: Path) -> None:
    changed = LINK.findall(" ".join(CHANGES.findall(status_of(record))))
    older = {path.name[:4]: status_of(path) for path in RECORDS}
    assert [number for number in changed if f"[{record.name[:4]}](" not in older[number]] == []


def test_numbers_run_without_a_gap_but_those_explained() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert set(numbers) | UNUSED == set(range(1, max(numbers) + 1))
    assert len(numbers) == len(set(numbers))
    readme = (FOLDER / "README.md").read_text()
    assert [number for number in UNUSED if f"no {number:04}" not in readme] == []
