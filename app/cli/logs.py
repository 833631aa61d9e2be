"""`power logs`: print the log lines of a window's containers, or of one service."""

from typing import Any, NamedTuple

import click
from rich.text import Text

from app.cli import follow, output
from app.cli.arguments import any_window, resolve, stack_names, utc_option, window_services
from power_windows.errors import NotFound, WrongUsage
from power_windows.payloads import Window
from power_windows.rest import Api, connect

_COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "bright_red")


@click.command()
@click.argument("window", metavar="WINDOW|SERVICE", shell_complete=any_window)
@click.option(
    "-s",
    "--stack",
    metavar="STACK",
    shell_complete=stack_names,
    help="Read a service of this stack, held or not.",
)
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
    window: str,
    *,
    stack: str | None,
    service: str | None,
    following: bool,
    tail: int,
    timestamps: bool,
    as_json: bool,
) -> None:
    """Show what a window's services wrote while it held them, or the last lines of one service.

    WINDOW is an id, the beginning of one, or a service that only one window holds. Logs of a closed window
    can be read as long as its containers exist. Of a SERVICE that no window holds, and with --stack of any
    allowed service, the last lines of its container are shown, also of a stopped one. The logs of core
    services are not shown.

    \b
    Examples:
      power logs 3f2a
      power logs 3f2a --service switch --tail 20
      power logs 3f2a --follow
      power logs jellyfin
    """
    with connect() as api, follow.until_interrupted():
        source = _service(api, stack, window) if stack else _window_or_service(api, window)
        if isinstance(source, _Service):
            _require_plain(source, service, following)
            names, lines = [source.name], api.service_logs(source.stack, source.name, tail=tail)
        else:
            names = sorted(source["health"] or source["services"])
            lines = api.logs(source["id"], service=service, tail=tail, follow=following)
        width = 0 if service or isinstance(source, _Service) else max(map(len, names), default=0)
        is_empty = True
        for line in lines:
            is_empty = False
            if as_json:
                output.dump_line(line)
            elif "note" in line:
                output.note(": ".join(filter(None, [line["service"], output.harmless(line["note"])])))
            else:
                output.say(_line(line, names, width, timestamps))
    if is_empty and tail and not as_json:
        output.note("nothing was written")


class _Service(NamedTuple):
    """A service of a stack, in place of a window."""

    stack: str
    name: str


def _window_or_service(api: Api, text: str) -> Window | _Service:
    """What the argument means; a service where no window holds it. Raises NotFound or WrongUsage."""
    try:
        return resolve(api, text)
    except NotFound as error:
        stacks = [
            one["name"] for one in api.stacks() if any(text == each["name"] for each in one["services"])
        ]
        if not stacks:
            raise
        if len(stacks) > 1:
            command = output.command(["-s", stacks[0], text])
            message = f"{text} is a service of {', '.join(stacks)}; name the stack: power logs {command}"
            raise WrongUsage(message) from error
    return _Service(stacks[0], text)


def _service(api: Api, stack: str, name: str) -> _Service:
    """A service of the named stack; raises NotFound."""
    names = [each["name"] for each in api.stack(stack)["services"]]
    if name not in names:
        raise NotFound(f"stack {stack} has no service {name!r}; it has {', '.join(names)}")
    return _Service(stack, name)


def _require_plain(source: _Service, only: str | None, following: bool) -> None:
    """Refuse the options that need a window; raises WrongUsage."""
    option = "--follow" if following else "--service" if only else ""
    if option:
        raise WrongUsage(
            f"{option} needs a window, and none is meant: {source.name} is a service of {source.stack}; "
            "without the option its last lines are shown"
        )


def _line(line: dict[str, Any], names: list[str], width: int, timestamps: bool) -> Text:
    text = Text()
    if timestamps:
        text.append(f"{output.clock(line['at'])}  ", "dim")
    if width:
        at = names.index(line["service"]) if line["service"] in names else 0
        text.append(f"{output.harmless(line['service']):<{width}}  ", _COLOURS[at % len(_COLOURS)])
    return text.append(output.harmless(line["line"]).rstrip())
