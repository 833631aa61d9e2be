"""A request that names no stack means the only stack that has its services."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.enums import Role
from app.domain.errors import NoStackHasAll, ServicesOfNoStack, StackNeeded, TTLTooLong
from app.domain.stack_choice import choose_stack
from app.domain.stack_id import StackId
from tests.domain.stacks import service, stack

HOME = replace(
    stack(service("jellyfin"), service("db"), service("proxy", role=Role.CORE)), name=StackId("home")
)
GPU = replace(stack(service("llm"), service("db"), service("jellyfin", role=Role.NONE)), name=StackId("gpu"))


@pytest.mark.parametrize(
    ("services", "name"),
    [(["llm"], "gpu"), (["jellyfin"], "home"), (["jellyfin", "db"], "home"), (["proxy"], "home")],
)
def test_the_only_stack_that_has_them_is_chosen(services: list[str], name: str) -> None:
    assert choose_stack([HOME, GPU], services) == name


@pytest.mark.parametrize(
    ("services", "refusal", "sentence"),
    [
        (["db"], StackNeeded, "db is on several stacks; say which stack: gpu, home"),
        ([], StackNeeded, "say which stack: gpu, home"),
        (
            ["llm", "proxy"],
            NoStackHasAll,
            "no stack has all of these services: llm is on gpu, proxy is on home; "
            "open one window for each stack",
        ),
        (["llm", "jelly"], ServicesOfNoStack, "no stack has a service jelly; allowed are db, jellyfin, llm"),
    ],
)
def test_services_that_decide_nothing_are_refused_with_the_candidates(
    services: list[str], refusal: type[Exception], sentence: str
) -> None:
    with pytest.raises(refusal) as refused:
        choose_stack([HOME, GPU], services)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("given", "longest", "sentence"),
    [
        (32400, 28800, "9h is longer than home allows (8h)"),
        (28800.5, 28800, "28800.5 s is longer than home allows (28800 s)"),
        (
            32400,
            25920,
            "9h from now is longer than home allows: at most 7h 12m from now, "
            "since a window lasts 8h at most",
        ),
    ],
)
def test_a_limit_is_said_in_words(given: float, longest: float, sentence: str) -> None:
    assert str(TTLTooLong("home", given, 28800, longest)) == sentence
