from __future__ import annotations

import pytest

from app.domain.stack_id import file_part, namespace_of, stack_id
from app.domain.viewer import OPERATOR, Viewer

TEAM = Viewer("team_a")


def test_the_default_namespace_has_bare_names() -> None:
    assert stack_id("", "studio") == OPERATOR.stack_id("studio") == "studio"
    assert stack_id("team_a", "studio") == TEAM.stack_id("studio") == "team_a/studio"
    assert [namespace_of(text) for text in ("studio", "team_a/studio")] == ["", "team_a"]


@pytest.mark.parametrize("name", ["team_b/vault", "/vault", "../team_b/vault", "team_a/studio"])
def test_a_viewer_names_nothing_outside_of_its_namespace(name: str) -> None:
    assert TEAM.stack_id(name).startswith("team_a/")


def test_an_operator_sees_everything_and_another_viewer_its_own() -> None:
    names = ["studio", "team_a/studio", "team_b/vault", "team_ab/x", "TEAM_A/x"]
    assert [OPERATOR.sees(name) for name in names] == [True] * 5
    assert [TEAM.sees(name) for name in names] == [False, True, False, False, False]


def test_a_sentence_is_shortened_and_a_path_is_not() -> None:
    response = (
        "there is no stack 'team_a/x'; there is team_a/studio, see /srv/team_a/compose.yml and my-team_a/x"
    )
    short = "there is no stack 'x'; there is studio, see /srv/team_a/compose.yml and my-team_a/x"
    assert TEAM.shorten_sentence(response) == short
    assert OPERATOR.shorten_sentence(response) == response


def test_an_answer_has_short_names_and_all_else_as_it_was() -> None:
    answer = {"items": [{"stack": "team_a/studio", "actor": "team_a/ci", "reason": "team_a/studio"}], "n": 1}
    short = {"items": [{"stack": "studio", "actor": "team_a/ci", "reason": "team_a/studio"}], "n": 1}
    assert TEAM.shorten_answer(answer) == short
    assert OPERATOR.shorten_answer(answer) is answer


def test_a_part_of_a_file_name_has_no_slash() -> None:
    assert file_part("team_a/studio") == "team_a~studio"
