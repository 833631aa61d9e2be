"""`power notices`: print notifications and their deliveries."""

import click

from app.cli import output
from app.cli.arguments import utc_option
from power_windows.rest import connect


@click.command()
@click.option(
    "--state", type=click.Choice(["pending", "delivered", "given_up"]), help="Only notices in this state."
)
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="The number of newest ones."
)
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def notices(state: str | None, limit: int, as_json: bool) -> None:
    """List notices and their deliveries, newest first.

    \b
    Examples:
      power notices
      power notices --state pending
    """
    with connect() as api:
        listed = list(api.pages("/notices", limit=limit, state=state))
    if as_json:
        output.dump({"items": listed})
    elif listed:
        for one in listed:
            output.say(_line(one))
    else:
        output.note("no notices")


def _line(one: dict) -> str:  # type: ignore[type-arg]
    tries = one["deliveries"]
    last = f"{len(tries)} tries, last: {tries[-1]['said']}" if tries else "not tried yet"
    about = f"{one['stack']} {one['window'] or ''}".strip()
    at, what = output.clock(one["created_at"]), f"{one['state']:<9}  {one['sink']}  {one['event']}"
    return f"{at}  {what}  {about}  {last}"
