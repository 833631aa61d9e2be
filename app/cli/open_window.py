"""`power open`: open a window, show its services while they start, print the result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import click
from rich.text import Text

from app.cli import follow, output, progress, window_text
from app.cli.arguments import Duration, as_duration, service_names, stack_names, utc_option
from app.cli.failures import INTERRUPTED
from app.domain.enums import Power, State, Status
from power_windows.errors import PowerError, Refused, WrongUsage
from power_windows.payloads import Plan, Window
from power_windows.rest import Api, connect


@click.command()
@click.argument(
    "services", nargs=-1, required=True, metavar="SERVICE... [DURATION]", shell_complete=service_names
)
@click.option(
    "-s",
    "--stack",
    metavar="STACK",
    shell_complete=stack_names,
    help="Required where several stacks have the service.",
)
@click.option(
    "--ttl", type=Duration(), help="How long: 90, 90s, 30m, 1h30m.  [default: the stack's default_ttl]"
)
@click.option("--reason", metavar="TEXT", help="The reason, for the audit trail.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the services are ready.")
@click.option("--plan", is_flag=True, help="Change nothing; show the services that would start, in waves.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@click.pass_context
def open(
    ctx: click.Context,
    *,
    services: Sequence[str],
    stack: str | None,
    ttl: float | None,
    reason: str | None,
    no_wait: bool,
    plan: bool,
    as_json: bool,
) -> None:
    """Power services until a deadline.

    A last argument such as 2h is how long, unless a service has that name. Without -s the window is on the
    only stack that has the services.

    Waits until every service is ready or has failed. Ctrl-C ends only the wait: the window goes on, and the
    exit code is 130.

    \b
    Examples:
      power open jellyfin 2h
      power open switch hermes --ttl 30m --reason "translate batch 7"
      power open -s vx11 mcp --plan
      id=$(power open switch --no-wait --json | jq -r .id)
    """
    words = services
    with connect() as api:
        if ttl is None:
            services, ttl = _split_duration(api, services, stack)
        request = {"stack": stack, "services": list(services), "ttl_sec": _number(ttl), "reason": reason}
        body = {name: value for name, value in request.items() if value is not None}
        if plan:
            with _stack_hint(words):
                _show_plan(api.plan(body), as_json)
            return
        with _stack_hint(words):
            window = api.open(body)
        if not no_wait:
            window = _await(api, window, as_json)
    _report(window, as_json)
    ctx.exit(0 if no_wait or _is_ready(window) else 1)


def _split_duration(
    api: Api, services: Sequence[str], stack: str | None
) -> tuple[Sequence[str], float | None]:
    """The services, and the seconds of a last argument that is a duration and not a service."""
    *names, last = services
    ttl = as_duration(last)
    if ttl is None:
        return services, None
    stacks = [one["name"] for one in api.stacks() if any(last == each["name"] for each in one["services"])]
    if stacks if stack is None else stack in stacks:
        output.note(f"{last} is a service of {', '.join(stacks)}; to say how long, write --ttl {last}")
        return services, None
    if not names:
        raise WrongUsage(f"{last} is a duration; name a service before it: power open SERVICE {last}")
    return names, ttl


@contextmanager
def _stack_hint(words: Sequence[str]) -> Iterator[None]:
    """Add the option that chooses a stack to the refusal of a request that names none."""
    try:
        yield
    except Refused as error:
        if not error.type.endswith("/stack-needed"):
            raise
        allowed = error.problem.get("allowed")
        stack = allowed[0] if isinstance(allowed, list) and allowed else "STACK"
        hint = f"name it with -s: power open -s {stack} {' '.join(words)}"
        raise Refused(f"{error.message}\n{hint}", error.problem, error.status) from error


def _number(seconds: float | None) -> float | None:
    """The seconds, as an integer where they are whole."""
    return int(seconds) if seconds is not None and seconds == int(seconds) else seconds


def _await(api: Api, window: Window, silent: bool) -> Window:
    try:
        return progress.watch(api, [window], follow.is_outcome_known, silent=silent)[0]
    except KeyboardInterrupt:
        output.note(_interruption(api, window))
        raise click.exceptions.Exit(INTERRUPTED) from None


def _interruption(api: Api, window: Window) -> str:
    """Until when the window goes on after the wait for it was interrupted."""
    # The window may have changed during the wait.
    with suppress(PowerError, KeyboardInterrupt):
        window = api.window(window["id"])
    name = f"\nwindow {window['id']}"
    if window["state"] in {State.CLOSING, State.CLOSED}:
        return f"{name} is {window['state']}; show it with `power show {window['id']}`"
    when, left = output.clock(window["deadline"]), output.seconds(window["ttl_remaining_sec"])
    return (
        f"{name} goes on until {when} ({left} left); show it with `power show {window['id']}`, "
        f"close it with `power close {window['id']}`"
    )


def _is_ready(window: Window) -> bool:
    return (
        window["state"] == State.OPEN
        and window["status"] in {None, Status.OK}
        and not window_text.unready(window)
    )


def _report(window: Window, as_json: bool) -> None:
    if as_json:
        output.dump(window)
    else:
        output.say(*_summary(window))


def _summary(window: Window) -> list[str | Text]:
    if window["state"] == State.WAITING:
        duration, until = output.seconds(window["ttl_sec"]), output.clock(window["deadline"])
        return [
            Text.assemble("window ", window["id"], "  ", window_text.state(window)),
            *(Text(f"  {output.harmless(name)}: {one['detail']}") for name, one in window["health"].items()),
            f"it will be open for {duration} from when it begins, and gives up at {until}",
        ]
    if window["state"] == State.OPENING:
        return [Text.assemble("window ", window["id"], "  ", window_text.state(window)), _until(window)]
    if _is_ready(window):
        return [
            Text.assemble(
                ("open", "green"),
                f": {_names(window_text.ready(window))} on {window['stack']}{_duration_of_opening(window)}",
            ),
            _until(window),
        ]
    troubles = list(window_text.trouble_lines(window))
    if window["state"] == State.OPEN:
        return [_verdict(window), *troubles, *_next_steps(window), _until(window)]
    # A window that failed may have closed before it was read; then only its close reason tells why.
    why = window_text.close_reason_lines(window) if window["status"] != Status.FAIL or not troubles else ()
    return [_verdict(window), *why, *troubles, *_next_steps(window)]


def _next_steps(window: Window) -> Iterator[str]:
    """The command that explains each service that fails, the first three."""
    health = window_text.health(window)
    failing = [name for name, one in health.items() if one["power"] == Power.FAILING]
    asked = window["services"] if window["status"] == Status.FAIL else []
    for name in list(dict.fromkeys([*failing, *asked]))[:3]:
        yield f"why, and what mends it: power diagnose {output.command([name])}"


def _duration_of_opening(window: Window) -> str:
    """` after 12s`, from the request until it was open; empty where that is unknown."""
    if window["opened_at"] is None:
        return ""
    took = datetime.fromisoformat(window["opened_at"]) - datetime.fromisoformat(window["created_at"])
    return f" after {output.seconds(took.total_seconds())}"


def _verdict(window: Window) -> Text:
    if window["state"] == State.OPEN:
        ready = _names(window_text.ready(window)) or "nothing"
        return Text.assemble(
            ("partial", "yellow"), f": ready: {ready}; not ready: {_names(window_text.unready(window))}"
        )
    if window["status"] == Status.FAIL:
        return Text.assemble(
            ("failed", "bold red"),
            f": {_names(window['services'])} did not come up; window {window['id']} is {window['state']}",
        )
    return Text.assemble(output.word(window["state"]), " before it was open")


def _until(window: Window) -> str:
    when, left = output.clock(window["deadline"]), output.seconds(window["ttl_remaining_sec"])
    return f"until {when} ({left} left); close it with: power close {window['id']}"


def _names(names: list[str]) -> str:
    return output.harmless(", ".join(names))


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        output.dump(plan)
        return
    table = output.TextTable(("WAVE", "STARTS"), loose={1: 16})
    for number, wave in enumerate(plan["waves"], start=1):
        table.add(str(number), ", ".join(wave))
    if plan["waves"]:
        table.show()
    for line in plan.get("missing_images", []):
        output.say(Text(line, "red"))
    if plan["already_on"]:
        output.say(f"on already: {_names(plan['already_on'])}")
    output.note(
        f"for {output.seconds(plan['ttl_sec'])} on {output.harmless(plan['stack'])}; "
        "this is the plan; nothing has changed"
    )
