"""`power help`: the words of the output, and the help of each command."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.domain import meanings
from app.domain.enums import Mode, Power, Role, State, Status

PAGE = Path(__file__).parents[2] / "docs/words.md"


def test_every_word_has_a_meaning_on_the_terminal_and_on_the_page() -> None:
    printed = CliRunner().invoke(main, ["help", "states"]).output
    page = PAGE.read_text()

    words = [word for group in meanings.GROUPS.values() for word in group]
    assert words == [*Mode, *Power, *Role, *State, *Status]
    for group in meanings.GROUPS.values():
        for word, meaning in group.items():
            assert f"| `{word}` | {meaning} |" in page
            assert meaning in printed


@pytest.mark.parametrize(
    ("subject", "code", "words"),
    [
        ([], 0, "power help states"),
        (["open"], 0, "Usage: power open"),
        (["opne"], 2, "there is no command 'opne'"),
    ],
)
def test_a_subject_is_a_command_or_nothing(subject: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(main, ["help", *subject], prog_name="power")
    assert (result.exit_code, words in result.output) == (code, True), result.output
