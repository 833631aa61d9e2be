from __future__ import annotations

import pytest

from app.domain.stack_id import StackId, named_for, section_of


@pytest.mark.parametrize(
    ("stack", "other", "named"),
    [
        ("studio", "team_a/shop", "stack 'team_a/shop'"),
        ("team_a/shop", "team_a/other", "stack 'team_a/other'"),
        ("team_a/shop", "team_b/vault", "a stack of another namespace"),
        ("team_a/shop", "studio", "a stack of another namespace"),
    ],
)
def test_a_sentence_about_a_stack_names_none_of_another_namespace(stack: str, other: str, named: str) -> None:
    assert named_for(StackId(stack), other) == named


def test_the_section_of_a_stack_has_its_namespace() -> None:
    assert section_of(StackId("studio")) == "stacks.studio"
    assert section_of(StackId("team_a/shop")) == "namespaces.team_a.stacks.shop"
