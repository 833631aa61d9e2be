"""`power completion`: print scripts with which a shell completes commands, services and windows."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    \b
    Examples:
      power completion bash > ~/.local/share/bash-completion/completions/power
      power completion zsh > "${fpath[1]}/_power"
      power completion fish > ~/.config/fish/completions/power.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "power", "_POWER_COMPLETE").source())
