"""`power windows` and `power show`: list windows, and print one of them."""

from itertools import islice

import click
from rich.text import Text

from app.cli import follow, output, progress, window_text
from app.cli.arguments import REACH, any_window, resolve, stack_names, utc_option
from app.domain.enums import State, Status
from power_windows.payloads import Window
from power_windows.rest import Api, connect


@click.command()
@click.option(
    "--state", type=click.Choice([state.value for state in State]), help="Only windows in this state."
)
@click.option(
    "-s", "--stack", metavar="STACK", shell_complete=stack_names, help="Only windows on this stack."
)
@click.option(
    "--partial", is_flag=True, help=f"Only windows with some services ready, among the newest {REACH}."
)
@click.option("--stuck", is_flag=True, help="Only windows whose services do not stop.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="The number of newest ones."
)
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def windows(
    *, state: str | None, stack: str | None, partial: bool, stuck: bool, limit: int, as_json: bool
) -> None:
    """List windows, newest first.

    \b
    Examples:
      power windows --state open
      power windows -s vx11 --limit 10
      power windows --stuck
    """
    with connect() as api:
        listed = _read(api, state=state, stack=stack, partial=partial, stuck=stuck, limit=limit)
        if stack and not listed:
            # A stack that was removed may still have windows; without any, its name must be right.
            api.stack(stack)
    if as_json:
        output.dump({"items": listed})
    elif listed:
        window_text.windows(listed, progress.times_left(listed)).show()
    else:
        filtered = partial or stuck or state is not None or stack is not None
        output.note("no such windows" if filtered else "no windows")


def _read(
    api: Api, *, state: str | None, stack: str | None, partial: bool, stuck: bool, limit: int
) -> list[Window]:
    """The newest windows that pass every given filter, at most `limit`."""
    if not partial and not stuck:
        return list(api.windows(limit=limit, state=state, stack=stack))
    # Only a window that closes can be stuck.
    state = State.CLOSING if stuck and state is None else state
    listed = api.windows(limit=REACH, state=state, stack=stack)
    matching = (
        one
        for one in listed
        if (one["stuck"] or not stuck) and (one["status"] == Status.PARTIAL or not partial)
    )
    return list(islice(matching, limit))


@click.command()
@click.argument("window", shell_complete=any_window)
@click.option(
    "-f", "--follow", "following", is_flag=True, help="Go on, with the time left, until it is closed."
)
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def show(window: str, following: bool, as_json: bool) -> None:
    """Show one window: services, calls, time left.

    WINDOW is an id, the beginning of one, or a service that only one window holds.

    \b
    Examples:
      power show 3f2a
      power show 3f2a --follow
    """
    with connect() as api:
        window_payload = resolve(api, window)
        if following:
            window_payload = _follow(api, window_payload, as_json)
    if as_json:
        output.dump(window_payload)
        return
    output.say(*_facts(window_payload), "")
    window_text.services(window_payload).show()
    _calls(window_payload)


def _follow(api: Api, window: Window, silent: bool) -> Window:
    try:
        return progress.watch(api, [window], follow.is_closed, silent=silent)[0]
    except KeyboardInterrupt:
        # Ctrl-C is how a user ends this command; the window stays as it is.
        raise click.exceptions.Exit(0) from None


def _facts(window: Window) -> list[Text]:
    ended = window["state"] == State.CLOSED
    left = (
        ""
        if window["state"] not in {"opening", "open"}
        else f" ({output.seconds(window['ttl_remaining_sec'])} left)"
    )
    facts: dict[str, str | Text] = {
        "window": window["id"],
        "stack": window["stack"],
        "state": window_text.state(window),
        "asked": ", ".join(window["services"]),
        "by": window["actor"],
        "reason": window["reason"] or "-",
        "created": output.clock(window["created_at"]),
        "opened": output.clock(window["opened_at"]),
        "deadline": output.clock(window["deadline"]) + left,
    }
    if ended or window["close_reason"]:
        facts["closed"] = f"{output.clock(window['closed_at'])}  {window['close_reason'] or ''}"
        facts["closed by"] = window.get("closed_by") or "-"
        facts["because"] = window.get("close_detail") or "-"
    return [line for name, value in facts.items() for line in _fact(name, value)]


def _fact(name: str, value: str | Text) -> list[Text]:
    """A name and its value; further lines of the value are indented to its column."""
    lines = [value] if isinstance(value, Text) else [Text(part) for part in window_text.lines(value)]
    names = [name, *[""] * len(lines)]
    return [Text.assemble((f"{one:<10}", "dim"), line) for one, line in zip(names, lines, strict=False)]


def _calls(window: Window) -> None:
    if not window["results"]:
        return
    output.say("")
    window_text.calls(window["results"]).show()
    if troubles := list(window_text.trouble_lines(window)):
        output.say("", *troubles)
