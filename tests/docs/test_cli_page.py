"""The page of the command is what the command says of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli import main
from app.cli.compare_runs import compare
from app.cli.conduct import ConductCommand

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Every command below this one, with its help."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from commands(below, click.Context(below, info_name=name, parent=context))
    if isinstance(command, ConductCommand):
        yield from commands(
            compare, click.Context(compare, info_name="conduct compare", parent=context.parent)
        )


def _outer() -> click.Context:
    return click.Context(main, info_name="power", terminal_width=78, **main.context_settings)


def sections() -> Iterator[tuple[str, str]]:
    for path, help_text in commands(main, _outer()):
        title = "" if path == "power" else f"## {path}\n\n"
        yield path, f"{title}```\n{help_text.rstrip()}\n```\n"


@pytest.mark.parametrize(("path", "section"), list(sections()))
def test_the_page_has_the_help_of_each_command(path: str, section: str) -> None:
    assert section in PAGE.read_text(), f"power {path} --help has changed: python {__file__} writes the page"


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parents[1]))
    before = PAGE.read_text().partition("```")[0]
    PAGE.write_text(before + "\n".join(section for _path, section in sections()))
