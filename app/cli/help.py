"""`power help`: the help of a command, and `power help states`: what each word of the output means."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from app.cli import output
from app.domain import meanings

TOPIC = "states"


def _subjects(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    root = ctx.find_root()
    names = root.command.list_commands(root) if isinstance(root.command, click.Group) else []
    return [CompletionItem(name) for name in [TOPIC, *names] if name.startswith(incomplete)]


@click.command()
@click.argument("subject", required=False, shell_complete=_subjects)
@click.pass_context
def help(ctx: click.Context, subject: str | None) -> None:
    """Show the help of a command, or what each state means.

    \b
    Examples:
      power help states
      power help open
    """
    root = ctx.find_root()
    if subject == TOPIC:
        _print_words()
        return
    if subject is None:
        click.echo(root.get_help())
        click.echo(f"\nThe words of the output: power help {TOPIC}")
        return
    group = root.command
    assert isinstance(group, click.Group)
    command = group.get_command(root, subject)
    if command is None:
        raise click.UsageError(f"there is no command {subject!r}; `power help` lists them, and {TOPIC}")
    with click.Context(command, info_name=subject, parent=root) as inner:
        click.echo(command.get_help(inner))


def _print_words() -> None:
    """Print every word with its meaning, by what it is said of."""
    width = max(len(word) for words in meanings.GROUPS.values() for word in words)
    for title, words in meanings.GROUPS.items():
        click.echo(click.style(f"{title}:", bold=True))
        for word, meaning in words.items():
            output.say(f"  {word:<{width}}  {meaning}")
