"""Intents as values: approvals, times, names, and what a build context's digest leaves out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import intents
from app.domain.dockerignore import IgnoredPaths
from app.domain.intents import Approval, Intent
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
TRANSLATE = Intent(
    "translate",
    ("switch", "hermes"),
    "translate documents",
    7200.0,
    checks=({"name": "answers", "kind": "http", "check": "GET http://127.0.0.1/"},),
    build=("switch",),
    approval=Approval.OTHER,
)


@pytest.mark.parametrize(
    ("approval", "confirmed", "waits"),
    [
        (Approval.NONE, False, False),
        (Approval.PERSON, False, True),
        (Approval.PERSON, True, False),
        (Approval.OTHER, False, True),
        (Approval.OTHER, True, True),
    ],
)
def test_a_request_waits_for_who_has_to_approve_it(approval: Approval, confirmed: bool, waits: bool) -> None:
    assert intents.needs_approval(approval, confirmed=confirmed) is waits


def test_a_time_that_has_passed_leaves_nothing() -> None:
    assert intents.seconds_until(NOON + timedelta(hours=2), NOON) == 7200
    assert intents.seconds_until(NOON - timedelta(seconds=1), NOON) == 0


def test_a_stack_keeps_its_intents_in_the_database_and_none_where_it_has_none() -> None:
    spec = StackSpec(StackId("vx11"), "vx11", "local", {}, intents={"translate": TRANSLATE})
    assert StackSpec.from_json(spec.as_json()) == spec
    plain = StackSpec(StackId("vx11"), "vx11", "local", {})
    assert "intents" not in plain.as_json()
    assert StackSpec.from_json(plain.as_json()) == plain


def test_an_unknown_name_gets_the_nearest_one_and_all_of_them() -> None:
    assert intents.unknown_name("translat", {"translate", "index"}) == (
        "there is no intent 'translat'; did you mean translate? there is index, translate"
    )
    assert intents.unknown_name("x", set()).endswith("no stack has an intent in its power.toml")


@pytest.mark.parametrize(
    ("patterns", "covered", "free"),
    [
        ("node_modules", ["node_modules", "node_modules/a/b.js"], ["src/node_modules", "node_modules2"]),
        ("*.log", ["a.log"], ["logs/a.log", "a.log.txt"]),
        ("**/*.pyc", ["a.pyc", "x/y/a.pyc"], ["a.py"]),
        ("/build/", ["build/out"], ["src/build"]),
        ("a?c", ["abc"], ["a/c", "abbc"]),
        ("# note\n\n.git", [".git/HEAD"], ["note"]),
        ("*\n!keep", ["other", "a/keep"], ["keep", "keep/a"]),
        (
            "docs\n!docs/**/*.md\ndocs/secret.md",
            ["docs/a.txt", "docs/secret.md"],
            ["docs/x/a.md", "docs/b.md"],
        ),
        ("*.log\n!a.log\n*.log", ["a.log"], ["a.txt"]),
    ],
)
def test_ignored_paths_reach_no_builder(patterns: str, covered: list[str], free: list[str]) -> None:
    ignored = IgnoredPaths(patterns.splitlines())
    assert [path for path in covered if not ignored.covers(path)] == []
    assert [path for path in free if ignored.covers(path)] == []


@pytest.mark.parametrize(
    ("patterns", "pruned", "walked"),
    [
        ("node_modules\n!docs/a", ["node_modules", "node_modules/x"], ["docs", "src"]),
        ("out\n!out/keep/it", ["out/other"], ["out", "out/keep"]),
        ("out\n!**/*.md", [], ["out", "out/other"]),
    ],
)
def test_a_folder_that_may_have_exceptions_is_walked(
    patterns: str, pruned: list[str], walked: list[str]
) -> None:
    ignored = IgnoredPaths(patterns.splitlines())
    assert [path for path in pruned if not ignored.covers_all_below(path)] == []
    assert [path for path in walked if ignored.covers_all_below(path)] == []
