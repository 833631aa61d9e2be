"""`power extend`: a new deadline for a window, counted from now."""

import click

from app.cli import output
from app.cli.arguments import Duration, resolve, unfinished_windows
from power_windows.rest import connect


@click.command()
@click.argument("window", shell_complete=unfinished_windows)
@click.option("--ttl", type=Duration(), required=True, help="How long from now: 90, 90s, 30m, 1h30m.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def extend(window: str, ttl: float, as_json: bool) -> None:
    """Move a window's deadline: from now on it has --ttl left.

    WINDOW is an id or the beginning of one.

    \b
    Example:
      power extend 3f2a --ttl 1h
    """
    with connect() as api:
        extended = api.extend(resolve(api, window)["id"], ttl)
    if as_json:
        output.dump(extended)
        return
    left = output.seconds(extended["ttl_remaining_sec"])
    output.say(f"window {extended['id']} until {output.clock(extended['deadline'])} ({left} left)")
