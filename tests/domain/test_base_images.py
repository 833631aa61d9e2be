"""Which images a Dockerfile builds upon."""

from __future__ import annotations

import pytest

from app.domain.base_images import UnknownBase, base_images


@pytest.mark.parametrize(
    ("dockerfile", "names"),
    [
        ("FROM python:3.12-slim\nCOPY . /\n", ["python:3.12-slim"]),
        ("# FROM old\nfrom --platform=$BUILDPLATFORM golang:1 as build\nFROM build\n", ["golang:1"]),
        (
            "FROM a AS one\nFROM b\nCOPY --from=one /x /x\nCOPY --chown=1 --from=c:2 /y /y\n",
            ["a", "b", "c:2"],
        ),
        ("FROM a\nCOPY --from=0 /x /x\nRUN --mount=type=bind,from=d,target=/t make\n", ["a", "d"]),
        ("ARG TAG=1\nFROM app:${TAG}\n", ["app:1"]),
        ("ARG TAG\nFROM app:${TAG:-3}\n", ["app:3"]),
        ("ARG OTHER=1\nFROM app:$OTHER AS x\nFROM \\\n  app:1\n", ["app:2", "app:1"]),
        ("FROM scratch\n", []),
    ],
)
def test_base_images_are_those_of_no_stage(dockerfile: str, names: list[str]) -> None:
    assert base_images(dockerfile, {"OTHER": "2"}) == names


def test_a_variable_without_a_value_is_no_name() -> None:
    with pytest.raises(UnknownBase, match="app"):
        base_images("ARG TAG\nFROM app:$TAG\n", {"TAG": None})
