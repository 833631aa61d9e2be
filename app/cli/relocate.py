"""`power relocate`: give up the location that a stack was held in, where that is gone for good."""

import click

from app.cli import output
from app.cli.arguments import stack_names
from power_windows.rest import connect


@click.command()
@click.argument("stack", shell_complete=stack_names)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def relocate(stack: str, as_json: bool) -> None:
    """Let a stack's windows and owed offs count for wherever its worker serves it next.

    For a stack that is not served because something of it is held in another project, or on another
    engine or node, which is gone for good: its data was wiped, or its host. What may still run there
    is not turned off any more. Where the same containers are found in the new location, they are.

    \b
    Example:
      power relocate vx11
    """
    with connect() as api:
        answer = api.relocate(stack)
    if as_json:
        output.dump(answer)
        return
    output.say(f"stack {stack} is served where its worker is, within seconds; see `power ps {stack}`")
