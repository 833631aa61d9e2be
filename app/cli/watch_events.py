"""`power watch`: what happens, as it happens."""

from collections.abc import Iterable

import click

from app.cli import follow, output
from app.cli.arguments import any_window, resolve, stack_names, unfinished
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
@click.option("--json", "as_json", is_flag=True, help="Print the API's entries, one a line.")
def watch(window: str | None, stack: str | None, as_json: bool) -> None:
    """Follow what happens: who opens what, what gets ready or fails, what closes, drifts or is stuck.

    Goes on until Ctrl-C. With --window it begins with all that happened so far, and ends when that one
    is closed. A connection that is lost is taken up again, and nothing is missed.

    \b
    Examples:
      power watch
      power watch --stack vx11
      power watch --window 3f2a
      power watch --json | jq 'select(.event == "service.failing")'
    """
    with connect() as api, follow.until_interrupted():
        only = resolve(api, window)["id"] if window else None
        story = EventText(named=stack is None and len(api.stacks()) > 1)

        def before() -> Iterable[Entry]:
            """Of one window all that happened so far; of all, what is needed to tell how long things take."""
            story.know(unfinished(api))
            return api.audit(window=only) if only else ()

        for entry in follow.entries(api, before, lost=_say_lost):
            if entry["window"] == only if only else stack in {None, entry["stack"]}:
                _tell(entry, story, as_json)
                if only and entry["event"] == Event.WINDOW_CLOSED:
                    return


def _say_lost() -> None:
    output.note("the connection is lost; trying again")


def _tell(entry: Entry, story: EventText, as_json: bool) -> None:
    if as_json:
        output.dump_line(entry)
    else:
        output.say(*story.lines(entry))
