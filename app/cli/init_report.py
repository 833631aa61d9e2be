"""What `power init` prints: the proposal, what is particular, and the commands that come next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from app.cli import output, stack_draft
from app.cli.output import TextTable
from app.cli.stack_draft import StackDraft
from app.domain import proposal_warnings
from app.domain.enums import Role

_WORDS = {Role.CORE: "core", Role.ALLOWED: "allowed", Role.NONE: "neither"}


def print_proposal(draft: StackDraft) -> None:
    """Print the role of each service, with the reason."""
    files = ", ".join(path.name for path in draft.project.files)
    output.say(f"project {draft.project.name}, from {files} in {draft.project.directory}", "")
    table = TextTable(("SERVICE", "IMAGE", "ROLE", "WHY"), loose={0: 16, 1: 12, 3: 16})
    for name, role in draft.proposal.roles.items():
        service = draft.facts.services[name]
        image = "built here" if service.built else service.image
        table.add(name, image, _WORDS[role], draft.proposal.reasons[name])
    table.show()
    output.say("", "core: always on, never touched; allowed: off until a window powers it; neither: ignored")


def print_warnings(draft: StackDraft) -> None:
    """Print what is particular about the compose files, and what could not be checked."""
    lines = [*stack_draft.lines_of_warnings(draft), *_missing_images(draft), *_skipped_checks(draft)]
    for line in lines:
        first, *more = line.splitlines()
        click.echo(click.style("note  ", fg="yellow") + output.harmless(first))
        for one in more:
            click.echo(f"      {output.harmless(one)}")


def _missing_images(draft: StackDraft) -> Iterator[str]:
    images = draft.facts.missing_images
    for verb, names in stack_draft.commands_of_missing_images(draft).items():
        listed = ", ".join(f"{images[name]} ({name})" for name in names)
        yield f"missing on the engine: {listed}: {_compose(draft, verb, *names)}"


def _skipped_checks(draft: StackDraft) -> Iterator[str]:
    if draft.engine_fault:
        yield f"missing images, healthchecks of images and ended containers not checked: {draft.engine_fault}"
    if draft.read_otherwise:
        names = ", ".join(draft.read_otherwise)
        yield (
            f"{names}: Compose in this shell reads the files otherwise, since Power Windows uses no variable "
            "that begins with COMPOSE_ or POWER_; set such values in .env"
        )


def print_next_commands(draft: StackDraft, path: Path) -> None:
    """Print three commands: what core or the check needs, the service, and the first window."""
    config = shlex.quote(str(path))
    service = shlex.quote(stack_draft.open_example(draft))
    lines = {
        _first_command(draft, config): "",
        f"power standalone --config {config}": "stays in the foreground; Ctrl-C stops it",
        f"power open {service} --ttl 30m": "in another terminal",
    }
    width = max(len(line) for line in lines)
    click.echo("\nnext:")
    for line, note in lines.items():
        click.echo(f"  {line:<{width}}  # {note}" if note else f"  {line}")


def _first_command(draft: StackDraft, config: str) -> str:
    core, engine = draft.proposal.names_of(Role.CORE), draft.facts.engine
    stopped = [name for name in core if engine is None or name not in engine.running]
    if not stopped:
        return f"power doctor --config {config}"
    no_deps = ["--no-deps"] if proposal_warnings.needs_no_deps(draft.facts) else []
    return _compose(draft, "up", "-d", *no_deps, *stopped)


def _compose(draft: StackDraft, *words: str) -> str:
    return shlex.join([*draft.project.command, *draft.options.compose.words(), *words])
