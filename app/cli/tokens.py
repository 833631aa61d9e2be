"""`power token`: make, list and revoke tokens. So far those that a proxy needs for a waiting page."""

from typing import Any

import click

from app.cli import output
from app.cli.arguments import Duration
from power_windows.errors import WrongUsage
from power_windows.rest import connect


@click.group()
def token() -> None:
    """Make, list and revoke tokens."""


@token.command()
@click.argument("name")
@click.option("--wake", "route", required=True, metavar="STACK/SERVICE", help="The one route it is good for.")
@click.option("--ttl", type=Duration(), help="How long a window lasts after the last request.")
@click.option(
    "--only-looks-agent",
    "agents",
    multiple=True,
    metavar="TEXT",
    help="An agent with this in its name wakes nothing; in place of crawlers and monitors. '' for none.",
)
@click.option(
    "--only-looks-path",
    "paths",
    multiple=True,
    metavar="PATH",
    help="What begins so wakes nothing; in place of /favicon.ico and the like. '' for none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def create(
    *,
    name: str,
    route: str,
    ttl: float | None,
    agents: tuple[str, ...],
    paths: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a token, and print it: this once, since nothing keeps it.

    It is for a proxy's configuration, wakes one service for whoever visits, and is good for
    nothing else.

    \b
    Example:
      power token create nginx-wiki --wake homelab/wiki --ttl 15m
    """
    stack, slash, service = route.partition("/")
    if not (stack and slash and service):
        raise WrongUsage(f"--wake {route}: write it as STACK/SERVICE, as in homelab/wiki")
    with connect() as api:
        made = api.create_token(
            name,
            stack,
            service,
            ttl,
            only_looks_agents=_values_or_none(agents),
            only_looks_paths=_values_or_none(paths),
        )
    if as_json:
        output.dump(made)
        return
    output.say(made["token"])
    output.note(f"good for GET /wake/{stack}/{service} and nothing else; it is not shown again")


def _values_or_none(given: tuple[str, ...]) -> list[str] | None:
    """None where nothing was said; '' says that the list is empty."""
    return [one for one in given if one] if given else None


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def list_tokens(as_json: bool) -> None:
    """List the tokens there are and were."""
    with connect() as api:
        found = api.tokens()
    if as_json:
        output.dump({"items": found, "next": None})
        return
    table = output.TextTable(("TOKEN", "SCOPE", "FOR", "TTL", "CREATED", "REVOKED"), loose={0: 12, 2: 12})
    for one in found:
        created, revoked = output.clock(one["created_at"]), output.clock(one["revoked_at"])
        table.add(one["name"], one["scope"], _route(one), output.seconds(one["ttl_sec"]), created, revoked)
    table.show()


def _route(one: dict[str, Any]) -> str:
    return f"{one['wake']['stack']}/{one['wake']['service']}" if one["wake"] else "-"


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token. A window that it has runs out."""
    with connect() as api:
        api.revoke_token(name)
    output.say(f"token {name} is revoked")
