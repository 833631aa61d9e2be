"""Types and completions of the arguments of commands.

A shell completes names from the service. A completion prints no error: where the service does not answer, it
offers nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import click
from click.shell_completion import CompletionItem

from app.cli import output
from app.domain import durations
from app.domain.enums import Role, State
from power_windows.errors import NotFound, PowerError, WrongUsage
from power_windows.intents import IntentRoutes
from power_windows.payloads import Window
from power_windows.rest import Api, connect

UNFINISHED = (State.WAITING, State.OPENING, State.OPEN, State.CLOSING)
# A prefix is searched among this many of the newest windows, so that years of windows cost nothing.
REACH = 2000
# The characters of ids and of services.
_WINDOW = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


utc_option = click.option(
    "--utc",
    is_flag=True,
    expose_value=False,
    callback=lambda _ctx, _param, utc: output.show_utc(utc),
    help="Show times in UTC, not in local time.",
)
"""Times for people are local, with their zone; with this option they are in UTC. JSON is always in UTC."""


class Duration(click.ParamType[float]):
    """Seconds, written as `90`, `90s`, `30m` or `1h30m`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from a number or from text such as `30m`; fails with the valid forms."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return durations.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read_unfinished_windows(api: Api) -> Iterator[Window]:
    """Yield every window that is not closed."""
    for state in UNFINISHED:
        yield from api.windows(state=state)


def resolve(api: Api, text: str) -> Window:
    """The window with this id, this beginning of an id, or this service; raises NotFound or WrongUsage.

    Windows that are not closed are searched first, then the newest of all. A service means the only window
    that was opened for it and is not closed.
    """
    if not _WINDOW.fullmatch(text):
        raise WrongUsage(f"{text!r} is neither a window's id nor a service; `power windows` lists them")
    try:
        return api.window(text)
    except NotFound as error:
        match = _match(api, text)
        if match is None:
            message = (
                f"{error.message}, and none holds a service of that name\n`power windows` lists the newest"
            )
            raise NotFound(message) from error
    return api.window(match["id"])


def _match(api: Api, text: str) -> Window | None:
    """The window meant by the beginning of an id or by a service; raises WrongUsage where several are."""
    unfinished = list(read_unfinished_windows(api))
    matches = _beginning(text, unfinished)
    if len(matches) == 1:
        return matches[0]
    if by_service := _only_holder(text, unfinished):
        return by_service
    matches = matches or _beginning(text, api.windows(limit=REACH))
    if len(matches) > 1:
        raise WrongUsage(f"{text!r} could be any of these; give more of it:\n{_candidates(matches)}")
    return matches[0] if matches else None


def _only_holder(service: str, unfinished: Sequence[Window]) -> Window | None:
    """The one window that was opened for the service; those that close already count where no other does.

    Raises WrongUsage where several were, or where windows hold it only for another service.
    """
    opened = [window for window in unfinished if service in window["services"]]
    live = [window for window in opened if window["state"] != State.CLOSING] or opened
    if len(live) == 1:
        return live[0]
    if live:
        lines = _candidates(live)
        raise WrongUsage(f"{service} is held by {len(live)} windows; name one by its id:\n{lines}")
    if needing := [window for window in unfinished if service in window["health"]]:
        lines = _candidates(needing)
        raise WrongUsage(f"{service} is held only because others need it; name a window by its id:\n{lines}")
    return None


def _beginning(text: str, windows: Iterable[Window]) -> list[Window]:
    return [window for window in windows if window["id"].startswith(text)]


def _candidates(windows: list[Window]) -> str:
    lines = [f"  {one['id']}  {one['state']}  {describe(one)}" for one in windows[:10]]
    return "\n".join([*lines, f"  and {len(windows) - 10} more"] if len(windows) > 10 else lines)


def describe(window: Window) -> str:
    """What a window is for, in a few words: `jellyfin of ada "film night"`."""
    reason = f' "{window["reason"]}"' if window["reason"] else ""
    return f"{', '.join(window['services'])} of {window['actor']}{reason}"


def as_duration(text: str) -> float | None:
    """The seconds of a text such as `2h`; None for text that is no duration."""
    try:
        return durations.parse(text)
    except ValueError:
        return None


def _completer(offer: Callable[[Api, click.Context], Iterable[tuple[str, str]]]) -> _Completer:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        try:
            with connect() as api:
                offers = [(name, hint) for name, hint in offer(api, ctx) if name.startswith(incomplete)]
        except PowerError:
            return []
        return [CompletionItem(name, help=hint) for name, hint in offers]

    return complete


def _stack_offers(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return ((stack["name"], stack["mode"]) for stack in api.stacks())


def _allowed_offers(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Allowed services that the command line does not name yet."""
    given, stack_name = ctx.params.get("services") or (), ctx.params.get("stack")
    for stack in api.stacks():
        for service in stack["services"] if stack_name in {None, stack["name"]} else []:
            if service["role"] == Role.ALLOWED and service["name"] not in given:
                yield service["name"], service["power"]


def _unfinished_offers(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Windows that are not closed, and the services that they were opened for."""
    given = ctx.params.get("windows") or ()
    windows = list(read_unfinished_windows(api))
    yield from (_offer(window) for window in windows if window["id"] not in given)
    held = {name: window for window in windows for name in window["services"]}
    yield from ((name, _offer(window)[1]) for name, window in held.items() if name not in given)


def _newest_offers(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return (_offer(window) for window in islice(api.windows(), 50))


def _service_offers(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The services of the window that the command line names."""
    health = resolve(api, str(ctx.params.get("window")))["health"]
    return ((name, one["power"]) for name, one in health.items())


def _offer(window: Window) -> tuple[str, str]:
    return window["id"], f"{window['state']}: {', '.join(window['services'])}"


def _intent_offers(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return ((one["name"], one["description"]) for one in IntentRoutes(api).intents())


intent_names = _completer(_intent_offers)
stack_names = _completer(_stack_offers)
service_names = _completer(_allowed_offers)
unfinished_windows = _completer(_unfinished_offers)
any_window = _completer(_newest_offers)
window_services = _completer(_service_offers)
