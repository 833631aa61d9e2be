"""`power logs`: print the log lines of a window's containers."""

from typing import Any

import click
from rich.text import Text

from app.cli import follow, output
from app.cli.arguments import any_window, resolve, utc_option, window_services
from power_windows.rest import connect

_COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "bright_red")


@click.command()
@click.argument("window", shell_complete=any_window)
@click.option(
    "--service", metavar="SERVICE", shell_complete=window_services, help="Only this service of the window."
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the window is closed.")
@click.option(
    "-n",
    "--tail",
    type=click.IntRange(0, 1000),
    default=100,
    show_default=True,
    help="The number of newest lines of each service.",
)
@click.option("-t", "--timestamps", is_flag=True, help="Begin each line with its time.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's lines, one a line.")
def logs(
    window: str, *, service: str | None, following: bool, tail: int, timestamps: bool, as_json: bool
) -> None:
    """Show what a window's services wrote while it held them.

    WINDOW is an id, the beginning of one, or a service that only one window holds. Logs of a closed window
    can be read as long as its containers exist. Core services have no window, and their logs are not shown.

    \b
    Examples:
      power logs 3f2a
      power logs 3f2a --service switch --tail 20
      power logs 3f2a --follow
    """
    with connect() as api, follow.until_interrupted():
        window_payload = resolve(api, window)
        names = sorted(window_payload["health"] or window_payload["services"])
        width = 0 if service else max(map(len, names), default=0)
        for line in api.logs(window_payload["id"], service=service, tail=tail, follow=following):
            if as_json:
                output.dump_line(line)
            elif "note" in line:
                output.note(": ".join(filter(None, [line["service"], output.harmless(line["note"])])))
            else:
                output.say(_line(line, names, width, timestamps))


def _line(line: dict[str, Any], names: list[str], width: int, timestamps: bool) -> Text:
    text = Text()
    if timestamps:
        text.append(f"{output.clock(line['at'])}  ", "dim")
    if width:
        at = names.index(line["service"]) if line["service"] in names else 0
        text.append(f"{output.harmless(line['service']):<{width}}  ", _COLOURS[at % len(_COLOURS)])
    return text.append(output.harmless(line["line"]).rstrip())
