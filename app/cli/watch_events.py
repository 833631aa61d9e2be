"""`power watch`: print events as they happen."""

from collections.abc import Iterable

import click

from app.cli import follow, output
from app.cli.arguments import any_window, read_unfinished_windows, resolve, stack_names, utc_option
from app.cli.event_text import EventText
from app.domain.enums import Event
from power_windows.payloads import Entry
from power_windows.rest import connect


@click.command()
@click.option(
    "-w",
    "--window",
    metavar="WINDOW",
    shell_complete=any_window,
    help="Only this window, until it is closed.",
)
@click.option("-s", "--stack", metavar="STACK", shell_complete=stack_names, help="Only this stack.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's entries, one a line.")
def watch(window: str | None, stack: str | None, as_json: bool) -> None:
    """Follow events: windows that open, close or are stuck, services that get ready, fail or drift.

    Goes on until Ctrl-C. With --window it begins with the window's first event and ends when the window
    is closed. After a lost connection it resumes and misses no event.

    \b
    Examples:
      power watch
      power watch --stack vx11
      power watch --window 3f2a
      power watch --json | jq 'select(.event == "service.failing")'
    """
    with connect() as api, follow.until_interrupted():
        only = resolve(api, window)["id"] if window else None
        if stack:
            # Events of a stack that does not exist would be waited for without end.
            api.stack(stack)
        event_text = EventText(named=stack is None and len(api.stacks()) > 1)

        def before() -> Iterable[Entry]:
            """The entries of the window, if one is given; also note when unfinished windows began."""
            event_text.know(read_unfinished_windows(api))
            return api.audit(window=only) if only else ()

        for entry in follow.entries(api, before, lost=_note_lost):
            if entry["window"] == only if only else stack in {None, entry["stack"]}:
                _print(entry, event_text, as_json)
                if only and entry["event"] == Event.WINDOW_CLOSED:
                    return


def _note_lost() -> None:
    output.note("the connection is lost; trying again")


def _print(entry: Entry, event_text: EventText, as_json: bool) -> None:
    if as_json:
        output.dump_line(entry)
    else:
        output.say(*event_text.wrapped_lines(entry))
