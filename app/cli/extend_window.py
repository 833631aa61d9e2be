"""`power extend`: a new deadline for a window, counted from now."""

import click

from app.cli import output
from app.cli.arguments import Duration, resolve, unfinished_windows, utc_option
from power_windows.rest import connect


@click.command()
@click.argument("window", shell_complete=unfinished_windows)
@click.argument("duration", required=False, type=Duration())
@click.option("--ttl", type=Duration(), help="The same as DURATION.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def extend(window: str, duration: float | None, ttl: float | None, as_json: bool) -> None:
    """Move a window's deadline: from now on it has DURATION left, written as 90, 90s, 30m or 1h30m.

    WINDOW is an id, the beginning of one, or a service that only one window holds.

    \b
    Examples:
      power extend jellyfin 1h
      power extend 3f2a --ttl 1h
    """
    given = {one for one in (duration, ttl) if one is not None}
    if len(given) != 1:
        raise click.UsageError("say once how long from now: power extend WINDOW 1h")
    with connect() as api:
        extended = api.extend(resolve(api, window)["id"], given.pop())
    if as_json:
        output.dump(extended)
        return
    left = output.seconds(extended["ttl_remaining_sec"])
    output.say(f"window {extended['id']} until {output.clock(extended['deadline'])} ({left} left)")
