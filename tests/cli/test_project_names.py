"""The project that compose files name themselves, beside the one in power.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import project_names
from app.settings import StackToml


def stack(directory: Path, *texts: str) -> StackToml:
    files = [f"{number}.yml" for number in range(len(texts))]
    for name, text in zip(files, texts, strict=True):
        (directory / name).write_text(text)
    return StackToml.model_validate(
        {"project": "lab", "directory": directory, "files": files, "allow": ["web"]}
    )


SERVICES = "services: {web: {image: web}}\n"


@pytest.mark.parametrize(
    "texts",
    [
        (SERVICES,),
        (f"name: lab\n{SERVICES}",),
        (f"name: other\n{SERVICES}", "name: lab\n"),
        (f"name: ${{LAB}}\n{SERVICES}",),
        (f"{SERVICES}name: [not, a, name\n",),
        ("- no\n- file\n",),
        ("",),
    ],
)
def test_there_is_nothing_to_say(tmp_path: Path, texts: tuple[str, ...]) -> None:
    assert project_names.warnings("lab", stack(tmp_path, *texts)) == []


@pytest.mark.parametrize(
    "texts",
    [
        (f"name: other\n{SERVICES}",),
        ('{"name": "other", "services": {}}',),
        (SERVICES, "services: {web: {ports: !reset []}}\nname: 'other'\n"),
        ("name: lab\n", f"name: other  # not ours\n{SERVICES}"),
    ],
)
def test_another_name_is_reported_with_the_remedy(tmp_path: Path, texts: tuple[str, ...]) -> None:
    (line,) = project_names.warnings("lab", stack(tmp_path, *texts))

    assert line.startswith("lab: the compose files name the project 'other', and power.toml 'lab'; by hand")
    assert "docker compose -p lab" in line
