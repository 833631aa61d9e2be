"""An image is built again exactly when something changes that it is built from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workers.intents.build_content import BuildContent, Uncomparable, content_digest, find_bases


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "lib").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "main.py").write_text("print('one')\n")
    (folder / "lib" / "a.py").write_text("")
    (folder / ".dockerignore").write_text("*.log\nout\n")
    return folder


def digest(context: Path, **more: object) -> str:
    return content_digest({"context": str(context), "dockerfile": "Dockerfile", **more})


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: (folder / "main.py").write_text("print('two')\n"),
    "a new file": lambda folder: (folder / "new").write_text(""),
    "a file in a folder": lambda folder: (folder / "lib" / "a.py").write_text("a"),
    "a mode": lambda folder: (folder / "main.py").chmod(0o755),
    "a link": lambda folder: (folder / "link").symlink_to("main.py"),
    "the Dockerfile": lambda folder: (folder / "Dockerfile").write_text("FROM scratch\n"),
    "what is ignored": lambda folder: (folder / ".dockerignore").write_text("*.log\n"),
    "a file that is gone": lambda folder: (folder / "main.py").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_content_changes_the_digest(context: Path, change: str) -> None:
    before = digest(context)
    assert digest(context) == before

    CHANGES[change](context)

    assert digest(context) != before


def test_what_is_ignored_and_times_of_files_change_nothing(context: Path) -> None:
    before = digest(context)

    (context / "out").mkdir()
    (context / "out" / "built").write_text("x")
    (context / "app.log").write_text("x")
    (context / "main.py").touch()

    assert digest(context) == before


def test_build_arguments_and_the_target_are_content(context: Path) -> None:
    assert len({digest(context), digest(context, args={"A": "1"}), digest(context, target="test")}) == 3


def test_a_link_that_leads_out_of_the_context_is_not_followed(context: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("one")
    (context / "link").symlink_to(tmp_path / "outside")
    before = digest(context)
    (tmp_path / "outside").write_text("two")
    assert digest(context) == before


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"context": "https://example.org/app.git"}, "its build context is not a directory of this host"),
        ({"context": "/nowhere/at/all"}, "its build context is not a directory of this host"),
        ({"no_cache": True}, "its build section has no_cache"),
        ({"secrets": [{"source": "key"}]}, "its build section has secrets"),
        ({"dockerfile": "missing"}, "cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_compared_is_built_every_time(
    context: Path, section: dict[str, object], reason: str
) -> None:
    with pytest.raises(Uncomparable, match=reason):
        content_digest({"context": str(context), **section})


def test_exceptions_of_what_is_ignored_count(context: Path) -> None:
    (context / ".dockerignore").write_text("out\n!out/keep\n")
    (context / "out").mkdir()
    before = digest(context)

    (context / "out" / "built").write_text("x")
    assert digest(context) == before
    (context / "out" / "keep").write_text("x")
    assert digest(context) != before


def test_a_changed_base_image_is_changed_content(context: Path) -> None:
    (context / "Dockerfile").write_text("ARG TAG=1\nFROM base:$TAG\n")
    section = {"context": str(context), "args": {"TAG": "2"}}
    assert find_bases(section) == ["base:2"]
    one, two = (BuildContent("files", {"base:2": image}) for image in ("sha256:1", "sha256:2"))

    assert one.digest != two.digest
    assert one.with_bases(one.bases) == one
    assert BuildContent("files", {"base:2": ""}).with_bases(two.bases) == two
    assert one.with_bases(two.bases) is None


def test_a_base_image_that_is_not_known_is_not_compared(context: Path) -> None:
    (context / "Dockerfile").write_text("ARG TAG\nFROM base:$TAG\n")
    with pytest.raises(Uncomparable, match="variable without a value"):
        find_bases({"context": str(context)})
