"""`power want`: list intents, show the plan of one, ask for it, follow it; approve and cancel requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from app.cli import output, want_text
from app.cli.arguments import Duration, intent_names, stack_names
from app.cli.want_progress import follow_request
from app.domain import clock_times, features
from app.domain.intents import Approval, IntentOutcome
from power_windows.errors import NotFound, Refused
from power_windows.intents import IntentRoutes
from power_windows.payloads import IntentPlan, IntentRequest
from power_windows.rest import connect

_NO_ROUTE = "/problems/no-such-route"


class ClockTime(click.ParamType[datetime]):
    """A moment, written as a local time of day or as a date and time."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment; fails with the valid forms."""
        if isinstance(value, datetime):
            return value
        try:
            now = datetime.now().astimezone()
            return clock_times.resolve_until(str(value), now, datetime.astimezone)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("name", required=False, metavar="[NAME]", shell_complete=intent_names)
@click.option(
    "-s",
    "--stack",
    metavar="STACK",
    shell_complete=stack_names,
    help="Required where several stacks have the intent.",
)
@click.option("--ttl", type=Duration(), help="How long: 90, 90s, 30m, 1h30m.  [default: the intent's]")
@click.option(
    "--until",
    type=ClockTime(),
    help="Until when, in local time: 18:00, which is tomorrow's once it has passed, or 2026-11-27T18:00.",
)
@click.option("--reason", metavar="TEXT", help="The reason, for the audit trail.")
@click.option("--plan", "only_plan", is_flag=True, help="Change nothing; show what would be done.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is built, open and checked.")
@click.option("--yes", is_flag=True, help="Agree to the plan without a question.")
@click.option("--approve", metavar="REQUEST", help="Approve the request of another token.")
@click.option("--cancel", metavar="REQUEST", help="Cancel a request and close its window.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@click.pass_context
def want(ctx: click.Context, /, *, name: str | None, as_json: bool, **options: Any) -> None:
    """Ask for an intent of power.toml: build what has changed, open its services, run its checks.

    Shows the plan first. Where the intent asks for an approval, you are asked on a terminal; in a pipe the
    request waits until another token approves it. Without NAME it lists the intents and their requests.
    Interrupting the wait leaves the request as it is.

    Exit codes: 0 open and every check passed, 1 a build, the opening or a check failed, 4 there is no such
    intent, the feature is off, or the plan was not agreed to.

    \b
    Examples:
      power want
      power want translate --until 18:00
      power want translate --ttl 2h --plan
    """
    ends = [key for key in ("approve", "cancel") if options[key]]
    if len(ends) + bool(name) > 1:
        raise click.UsageError("give one of NAME, --approve and --cancel")
    with connect() as api, _said_if_off():
        routes = IntentRoutes(api)
        if ends:
            request = getattr(routes, ends[0])(options[ends[0]])
            _show_request(request, as_json)
        elif name is None:
            _list(routes, as_json)
        else:
            ctx.exit(_want(routes, name, as_json, options))


@contextmanager
def _said_if_off() -> Iterator[None]:
    """Say how to switch the feature on where the server has no route for it."""
    try:
        yield
    except NotFound as error:
        if error.type != _NO_ROUTE:
            raise
        how = features.how_to_switch_on("intents")
        raise Refused(f"intents are off on this server; {how}", error.problem, error.status) from error


def _want(routes: IntentRoutes, name: str, as_json: bool, options: dict[str, Any]) -> int:
    if options["ttl"] is not None and options["until"] is not None:
        raise click.UsageError("give one of --ttl and --until")
    body = _body(options)
    if options["until"] is not None and options["until"].date() != datetime.now().astimezone().date():
        output.note(f"the end is {options['until']:%A %d %B %H:%M}")
    plan = routes.plan(name, body)
    if options["only_plan"]:
        output.dump(plan) if as_json else want_text.show_plan(plan, changes=False)
        return 0
    if not as_json:
        want_text.show_plan(plan, changes=True)
    body["approve"] = _is_approved(plan, yes=options["yes"], silent=as_json)
    request = routes.want(name, body)
    if not options["no_wait"]:
        request = follow_request(routes, request, silent=as_json)
    _show_request(request, as_json)
    return 0 if options["no_wait"] or request["outcome"] == IntentOutcome.PASSED else 1


def _body(options: dict[str, Any]) -> dict[str, Any]:
    until: datetime | None = options["until"]
    given = {"stack": options["stack"], "ttl_sec": options["ttl"], "reason": options["reason"]}
    given["until"] = until.isoformat() if until else None
    return {name: value for name, value in given.items() if value is not None}


def _is_approved(plan: IntentPlan, *, yes: bool, silent: bool) -> bool:
    """Whether the person agrees to the plan; raises Refused for a no."""
    approval = plan["intent"]["approval"]
    if approval != Approval.PERSON:
        return yes
    if yes:
        return True
    if silent or not sys.stdin.isatty():
        return False
    if not click.confirm("Do this?", default=False, err=True):
        raise Refused("not approved; nothing has changed")
    return True


def _show_request(request: IntentRequest, as_json: bool) -> None:
    if as_json:
        output.dump(request)
    else:
        want_text.show_request(request)


def _list(routes: IntentRoutes, as_json: bool) -> None:
    intents, requests = routes.intents(), routes.newest(limit=want_text.LISTED_REQUESTS)
    if as_json:
        output.dump({"intents": intents, "requests": requests})
    else:
        want_text.show_intents(intents)
        want_text.show_requests(requests)
