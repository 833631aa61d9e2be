"""`power token`: create, list and revoke tokens, for a proxy's waiting page or for an approver of intents."""

from typing import Any

import click

from app.cli import output
from app.cli.arguments import Duration, utc_option
from power_windows.errors import WrongUsage
from power_windows.intents import IntentRoutes
from power_windows.rest import connect


@click.group()
def token() -> None:
    """Create, list and revoke tokens."""


@token.command()
@click.argument("name")
@click.option("--wake", "route", metavar="STACK/SERVICE", help="The waiting page that it is valid for.")
@click.option("--approver", is_flag=True, help="It approves requests of `power want`, and nothing else.")
@click.option("--namespace", metavar="NAME", help="The namespace in which it has every right.")
@click.option("--ttl", type=Duration(), help="How long a window lasts after the last request.")
@click.option(
    "--only-looks-agent",
    "agents",
    multiple=True,
    metavar="TEXT",
    help="An agent with this text opens nothing; in place of crawlers and monitors. '' for none.",
)
@click.option(
    "--only-looks-path",
    "paths",
    multiple=True,
    metavar="PATH",
    help="A path that begins so opens nothing; in place of /favicon.ico and the like. '' for none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def create(
    *,
    name: str,
    route: str | None,
    approver: bool,
    namespace: str | None,
    ttl: float | None,
    agents: tuple[str, ...],
    paths: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create a token, and print its text, which is not stored and not shown again.

    With --wake a proxy's configuration has it: it opens windows on one service for visitors, and is valid
    for nothing else. With --approver it approves and cancels requests of `power want`. With --namespace it
    has every right in one namespace, and none outside of it.

    \b
    Examples:
      power token create nginx-wiki --wake homelab/wiki --ttl 15m
      power token create reviewer --approver
      power token create ci --namespace team_a
    """
    if [route is not None, approver, namespace is not None].count(True) != 1:
        raise click.UsageError("give one of --wake STACK/SERVICE, --approver and --namespace NAME")
    if approver:
        _create_approver(name, as_json)
        return
    if namespace is not None:
        _create_for_namespace(name, namespace, as_json=as_json)
        return
    lookers = {"only_looks_agents": _values_or_none(agents), "only_looks_paths": _values_or_none(paths)}
    _create_for_wake(name, route or "", ttl, lookers, as_json=as_json)


def _create_for_wake(
    name: str, route: str, ttl: float | None, lookers: dict[str, list[str] | None], *, as_json: bool
) -> None:
    stack, slash, service = route.rpartition("/")
    if not (stack and slash and service):
        raise WrongUsage(f"--wake {route}: write it as STACK/SERVICE, as in homelab/wiki")
    with connect() as api:
        token_payload = api.create_token(name, stack, service, ttl, **lookers)
    if as_json:
        output.dump(token_payload)
        return
    output.say(token_payload["token"])
    path = f"{stack.rpartition('/')[2]}/{service}"
    output.note(f"valid for GET /wake/{path} and nothing else; it is not shown again")


def _create_for_namespace(name: str, namespace: str, *, as_json: bool) -> None:
    with connect() as api:
        token_payload = api.create_namespace_token(name, namespace)
    if as_json:
        output.dump(token_payload)
        return
    output.say(token_payload["token"])
    output.note(f"valid for everything in namespace {namespace} and nothing else; it is not shown again")


def _create_approver(name: str, as_json: bool) -> None:
    with connect() as api:
        payload = IntentRoutes(api).create_approver(name)
    if as_json:
        output.dump(payload)
        return
    output.say(payload["token"])
    output.note("valid to approve and cancel requests of `power want`; it is not shown again")


def _values_or_none(given: tuple[str, ...]) -> list[str] | None:
    """The values that are not empty; None where no option was given."""
    return [one for one in given if one] if given else None


@token.command("list")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def list_tokens(as_json: bool) -> None:
    """List all tokens, revoked ones too."""
    with connect() as api:
        listed = api.tokens()
    if as_json:
        output.dump({"items": listed, "next": None})
        return
    table = output.TextTable(("TOKEN", "SCOPE", "FOR", "TTL", "CREATED", "REVOKED"), loose={0: 12, 2: 12})
    for one in listed:
        created, revoked = output.clock(one["created_at"]), output.clock(one["revoked_at"])
        table.add(one["name"], one["scope"], _route(one), output.seconds(one["ttl_sec"]), created, revoked)
    table.show()


def _route(one: dict[str, Any]) -> str:
    return f"{one['wake']['stack']}/{one['wake']['service']}" if one["wake"] else "-"


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token. Its windows end at their deadlines."""
    with connect() as api:
        api.revoke_token(name)
    output.say(f"token {name} is revoked")
