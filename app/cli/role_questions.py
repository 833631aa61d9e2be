"""The questions of `power init` on a terminal: take the proposal, or choose the role of each service."""

from __future__ import annotations

import os

import click

from app.cli import init_report, stack_draft
from app.cli.stack_draft import StackDraft
from app.domain.enums import Role
from power_windows.errors import PowerError

_LETTERS = {"c": Role.CORE, "a": Role.ALLOWED, "n": Role.NONE}
_ANSWERS = ("y", "yes", "n", "no", "e", "edit")
_LETTER_OF = {role: letter for letter, role in _LETTERS.items()}


def ask(draft: StackDraft) -> StackDraft:
    """Ask until a draft is taken; return it. Raises click.Abort for `no` and at the end of the input."""
    while True:
        answer = click.prompt(
            "\nWrite this? yes, no, or edit (y, n, e)",
            type=click.Choice(_ANSWERS),
            default="y",
            show_choices=False,
        )
        if answer[0] == "n":
            raise click.Abort
        if answer[0] == "y":
            return draft
        draft = _edit(draft)
        init_report.print_proposal(draft)


def _edit(draft: StackDraft) -> StackDraft:
    """Ask for the role of each service; a choice that the worker would reject changes nothing."""
    click.echo("c: core, a: allowed, n: neither")
    chosen = {name: _ask_role(name, role) for name, role in draft.proposal.roles.items()}
    try:
        return stack_draft.choose_roles(draft, chosen, os.environ)
    except PowerError as error:
        click.echo(f"that cannot be served: {error.message}", err=True)
        return draft


def _ask_role(name: str, role: Role) -> Role:
    letters = click.Choice(list(_LETTERS))
    return _LETTERS[click.prompt(name, type=letters, default=_LETTER_OF[role], show_choices=False)]
