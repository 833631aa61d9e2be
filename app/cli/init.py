"""`power init`: propose a power.toml for the Compose project of a folder, and write it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from app.cli import init_report, role_questions
from app.cli.stack_draft import DraftOptions, StackDraft, read_draft
from app.host import new_file
from app.standalone import compose_project
from app.standalone.compose_project import ComposeOptions
from power_windows.errors import PowerError, WrongUsage

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Take the proposal without a question.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "-o", "--output", type=_PATH, default=Path("power.toml"), show_default=True, help="The file to write."
)
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="As of `docker compose`; several.")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Likewise.")
@click.option("--env-file", "env_files", multiple=True, metavar="FILE", help="Likewise.")
@click.option("-p", "--project", default="", metavar="NAME", help="Likewise: the project's name.")
def init(
    *,
    yes: bool,
    force: bool,
    output: Path,
    files: tuple[str, ...],
    profiles: tuple[str, ...],
    env_files: tuple[str, ...],
    project: str,
) -> None:
    """Write a power.toml for the compose project in this folder.

    Proposes which services are always on (core) and which a window may power (allowed), says why, and warns
    of what is particular. On a terminal it asks; elsewhere -y takes the proposal. It starts nothing.

    Exit codes: 0 written; 1 the compose files or the engine's Compose cannot be used; 2 wrong usage, no
    compose file, or a file that is there already.

    \b
    Examples:
      power init
      power init -y -f docker-compose.yml -f docker-compose.prod.yml
    """
    if os.path.lexists(output) and not force:
        raise WrongUsage(_exists(output))
    if not yes and not sys.stdin.isatty():
        raise WrongUsage(
            "standard input is no terminal, so there is no question: `power init -y` takes the proposal"
        )
    options = ComposeOptions(files, profiles, env_files, project)
    draft = _read(DraftOptions(Path.cwd(), output.absolute(), options))
    init_report.print_proposal(draft)
    if not yes:
        draft = role_questions.ask(draft)
    _write(draft, output, force=force)
    init_report.print_warnings(draft)
    init_report.print_next_commands(draft, output)


def _exists(output: Path) -> str:
    return (
        f"{output} is there already: `power check --config {output}` checks it, --force replaces it, "
        "--output names another file"
    )


def _read(options: DraftOptions) -> StackDraft:
    try:
        return read_draft(options, os.environ)
    except compose_project.NoComposeFile as error:
        names = ", ".join(compose_project.COMPOSE_FILE_NAMES)
        raise WrongUsage(
            f"no compose file in {options.folder} or above ({names}): go to its folder, or name it with -f"
        ) from error
    except compose_project.NoComposeProgram as error:
        none = "neither `docker compose` nor `docker-compose` of 5.0 or later runs here; install the plugin"
        raise PowerError("; ".join(filter(None, (none, str(error))))) from error
    except compose_project.BadComposeFile as error:
        raise PowerError(f"the compose files cannot be used: {error}") from error


def _write(draft: StackDraft, output: Path, *, force: bool) -> None:
    try:
        new_file.write(output, draft.text, replace=force)
    except FileExistsError as error:
        raise WrongUsage(_exists(output)) from error
    except OSError as error:
        raise PowerError(f"{output} cannot be written: {error.strerror or error}") from error
    click.echo(f"\nwritten: {output}")
