"""`power relocate`: release a stack from an engine or project that no longer exists."""

import click

from app.cli import output
from app.cli.arguments import stack_names
from power_windows.rest import connect


@click.command()
@click.argument("stack", shell_complete=stack_names)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def relocate(stack: str, as_json: bool) -> None:
    """Allow a stack's windows and pending stops to apply to the next engine that serves it.

    For a stack that no worker serves because its services are held in another project, or on another
    engine or node, which no longer exists. Services that still run there are not stopped. The same
    containers in the new location are.

    \b
    Example:
      power relocate vx11
    """
    with connect() as api:
        answer = api.relocate(stack)
    if as_json:
        output.dump(answer)
        return
    output.say(f"stack {stack} is served by its present worker within seconds; see `power ps {stack}`")
