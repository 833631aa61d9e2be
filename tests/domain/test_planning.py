"""What is opened is the closure of what was asked for, in waves, and never core."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import planning
from app.domain.enums import Role
from app.domain.errors import NotAllowed, NothingAsked, UnknownServices
from app.domain.planning import StackSpec
from tests.domain.stacks import STUDIO, service, stack


def test_what_is_needed_is_opened_along_and_core_is_not() -> None:
    assert planning.closure(STUDIO, ["api"]) == {"api", "db"}


def test_an_optional_dependency_is_not_opened_along() -> None:
    assert "cache" not in planning.closure(STUDIO, ["web"])


def test_an_optional_dependency_that_is_opened_too_still_goes_first() -> None:
    assert planning.waves(STUDIO, {"web", "cache"}) == [["cache"], ["web"]]


def test_waves_go_up_the_dependencies() -> None:
    assert planning.waves(STUDIO, planning.closure(STUDIO, ["web"])) == [["db"], ["api"], ["web"]]


def test_a_circle_is_named() -> None:
    ring = stack(service("hen", "egg"), service("egg", "hen"))
    with pytest.raises(ValueError, match="egg, hen"):
        planning.waves(ring, {"hen", "egg"})


def test_what_is_asked_for_is_kept_once_and_in_order() -> None:
    assert planning.check_asked(STUDIO, ["web", "db", "web"]) == ["web", "db"]


def test_nothing_is_not_everything() -> None:
    with pytest.raises(NothingAsked) as refused:
        planning.check_asked(STUDIO, [])
    assert refused.value.facts["allowed"] == ["api", "cache", "db", "web"]


@pytest.mark.parametrize(
    "name", ["--help", "-f", "--all", "", "db;redis", "db redis", "../db", "DB", "db\n", "db\0"]
)
def test_a_name_that_is_no_service_is_unknown_whatever_compose_would_make_of_it(name: str) -> None:
    with pytest.raises(UnknownServices) as refused:
        planning.check_asked(STUDIO, ["db", name])
    assert refused.value.facts["services"] == [name]


@pytest.mark.parametrize("name", ["redis", "secret"])
def test_core_and_the_unlisted_may_not_be_powered(name: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        planning.check_asked(STUDIO, ["db", name])
    assert refused.value.facts["services"] == [name]
    assert refused.value.field == "services"


def test_an_allowed_service_that_needs_an_unlisted_one_is_unreachable() -> None:
    assert planning.unreachable(STUDIO) == {}
    odd = stack(service("front", "middle"), service("middle", "back"), service("back", role=Role.NONE))
    assert planning.unreachable(odd) == {"front": ["back"], "middle": ["back"]}


def test_a_stack_survives_its_way_through_the_database() -> None:
    again = StackSpec.from_json(json.loads(json.dumps(STUDIO.as_json())))
    assert again == STUDIO
    assert again.services["redis"].role is Role.CORE


@st.composite
def stacks(draw: st.DrawFn) -> tuple[StackSpec, list[str]]:
    """Any stack without circles, and some of its allowed services."""
    size = draw(st.integers(1, 8))
    names = [f"s{n}" for n in range(size)]
    roles = [draw(st.sampled_from([Role.ALLOWED, Role.ALLOWED, Role.CORE, Role.NONE])) for _ in names]
    services = []
    for n, (name, role) in enumerate(zip(names, roles, strict=True)):
        needs = draw(st.sets(st.sampled_from(names[:n]))) if n else set()
        optional = draw(st.sets(st.sampled_from(sorted(needs)))) if needs else set()
        services.append(service(name, *sorted(needs - optional), role=role, optional=sorted(optional)))
    drawn_stack = stack(*services)
    asked = draw(st.lists(st.sampled_from(drawn_stack.allowed), unique=True)) if drawn_stack.allowed else []
    return drawn_stack, asked


@given(stacks())
def test_a_closure_is_closed_and_holds_no_core(drawn: tuple[StackSpec, list[str]]) -> None:
    drawn_stack, asked = drawn
    needed = planning.closure(drawn_stack, asked)
    assert set(asked) <= needed
    assert needed.isdisjoint(drawn_stack.core)
    assert planning.closure(drawn_stack, needed) == needed
    for name in needed:
        assert set(planning.requirements(drawn_stack, name)) <= needed | set(drawn_stack.core)


@given(stacks())
def test_waves_are_a_partition_in_which_everything_follows_what_it_needs(
    drawn: tuple[StackSpec, list[str]],
) -> None:
    drawn_stack, asked = drawn
    needed = planning.closure(drawn_stack, asked)
    waves = planning.waves(drawn_stack, needed)
    flat = [name for wave in waves for name in wave]
    assert sorted(flat) == sorted(needed)
    assert all(waves)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    for name in needed:
        before = [place[dep] for dep in drawn_stack.services[name].depends_on if dep in place]
        # As early as may be: right after the last of what it waits for.
        assert place[name] == max(before, default=-1) + 1
