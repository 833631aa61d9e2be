"""`power close`: close windows before their deadlines, and print what was turned off."""

from collections.abc import Iterable, Sequence

import click
from rich.text import Text

from app.cli import failures, follow, output, progress, window_text
from app.cli.arguments import describe, read_unfinished_windows, resolve, unfinished_windows
from app.domain import durations
from app.domain.enums import State
from power_windows.errors import Refused
from power_windows.payloads import Window
from power_windows.rest import Api, connect


@click.command()
@click.argument("windows", nargs=-1, metavar="WINDOW...", shell_complete=unfinished_windows)
@click.option("--all", "every", is_flag=True, help="Close every window that is not closed.")
@click.option("--force", is_flag=True, help="Kill services that do not stop, and close in any case.")
@click.option("--reason", metavar="TEXT", help="The reason, for the audit trail.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the services are off.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answers, one window a line.")
@click.pass_context
def close(
    ctx: click.Context,
    *,
    windows: Sequence[str],
    every: bool,
    force: bool,
    reason: str | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Close windows before their deadlines.

    WINDOW is an id, the beginning of one, or a service that only one window holds. Services that another
    window holds stay on. Waits until the others are off; Ctrl-C ends only the wait (exit code 130). A closed
    window stays as it is.

    \b
    Examples:
      power close jellyfin
      power close 3f2a
      power close --all
      power close 3f2a --force
    """
    if bool(windows) == every:
        raise click.UsageError("name the windows to close, or give --all", ctx)
    with connect() as api:
        # All names are resolved before the first close, so that a typing error closes nothing.
        chosen = list(read_unfinished_windows(api)) if every else [_resolve(api, name) for name in windows]
        closing, refused = _ask(api, chosen, force=force, reason=reason)
        if not no_wait:
            closing = _await(api, closing, silent=as_json)
    _report(closing, as_json, waited=not no_wait)
    if refused:
        raise Refused("\n".join(refused))
    ctx.exit(1 if not no_wait and any(not _is_off(window) for window in closing) else 0)


def _resolve(api: Api, name: str) -> Window:
    """The window of this name; where that is a service, also print which window is meant."""
    window = resolve(api, name)
    if not window["id"].startswith(name):
        output.note(f"{name} is held by window {window['id']}: {describe(window)}")
    return window


def _ask(
    api: Api, windows: Iterable[Window], *, force: bool, reason: str | None
) -> tuple[list[Window], list[str]]:
    """Request the close of each window; return the closing windows, and why others were refused."""
    closing, refused = [], []
    for window in {window["id"]: window for window in windows}.values():
        try:
            closing.append(api.close(window["id"], force=force, reason=reason))
        except Refused as error:
            refused.append(f"window {window['id']}: {error.message}")
    return closing, refused


def _await(api: Api, windows: list[Window], silent: bool) -> list[Window]:
    try:
        return progress.watch(api, windows, follow.is_closed_or_stuck, silent=silent, still=follow.STILL)
    except KeyboardInterrupt:
        output.note("\nthe windows go on closing; see `power windows --state closing`")
        raise click.exceptions.Exit(failures.INTERRUPTED) from None


def _is_off(window: Window) -> bool:
    return window["state"] == State.CLOSED and not _left_running(window)


def _left_running(window: Window) -> list[str]:
    """Services whose last stop or kill failed, so that they may still run."""
    last = {call["service"]: call for call in window["results"] if call["action"] in window_text.ENDS}
    return [name for name, call in last.items() if window_text.went_wrong(call)]


def _report(windows: list[Window], as_json: bool, waited: bool) -> None:
    if as_json:
        for window in windows:
            output.dump_line(window)
        return
    for window in windows:
        output.say(*_summary(window, waited))
    if not windows:
        output.note("no window to close")


def _summary(window: Window, waited: bool) -> list[Text]:
    line = Text.assemble(
        "window ", window["id"], "  ", window_text.state(window), window_text.end_text(window)
    )
    if stopped := window_text.stopped_services(window):
        line.append(f"  stopped: {output.harmless(', '.join(stopped))}")
    if window["state"] == State.CLOSED and not stopped:
        line.append("  nothing to stop")
    failed = [call for call in window["results"] if call["service"] in _left_running(window)]
    last = {call["service"]: call for call in failed if call["action"] in window_text.ENDS}
    return [
        line,
        *(row for call in last.values() for row in window_text.failed_call_lines(call)),
        *_advice(window, waited),
    ]


def _advice(window: Window, waited: bool) -> list[Text]:
    if waited and window["state"] != State.CLOSED and not window["stuck"]:
        still = durations.show(follow.STILL)
        return [
            Text(f"  nothing has changed for {still}; is the worker of its node running? See `power doctor`")
        ]
    if not window["stuck"]:
        return []
    return [Text(f"  the worker tries again; kill the rest with: power close {window['id']} --force")]
