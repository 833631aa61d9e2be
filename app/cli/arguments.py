"""Types and completions of the arguments of commands.

A shell completes names from the service. A completion prints no error: where the service does not answer, it
offers nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import click
from click.shell_completion import CompletionItem

from app.domain import durations
from app.domain.enums import Role, State
from power_windows.errors import NotFound, PowerError, WrongUsage
from power_windows.payloads import Window
from power_windows.rest import Api, connect

UNFINISHED = (State.WAITING, State.OPENING, State.OPEN, State.CLOSING)
# A prefix is searched among this many of the newest windows, so that years of windows cost nothing.
REACH = 2000
_ID = re.compile(r"[A-Za-z0-9_-]+")
_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


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
    """The window with this id or this beginning of an id; raises NotFound or WrongUsage.

    Windows that are not closed are searched first, then the newest of all.
    """
    if not _ID.fullmatch(text):
        raise WrongUsage(f"{text!r} is no window's id; `power windows` lists them")
    try:
        return api.window(text)
    except NotFound as error:
        matches = _beginning(text, read_unfinished_windows(api)) or _beginning(text, api.windows(limit=REACH))
        if not matches:
            raise NotFound(f"{error.message}\n`power windows` lists the newest") from error
    if len(matches) > 1:
        raise WrongUsage(f"{text!r} could be any of these; give more of it:\n{_candidates(matches)}")
    return api.window(matches[0]["id"])


def _beginning(text: str, windows: Iterable[Window]) -> list[Window]:
    return [window for window in windows if window["id"].startswith(text)]


def _candidates(windows: list[Window]) -> str:
    lines = [f"  {one['id']}  {one['state']}  {', '.join(one['services'])}" for one in windows[:10]]
    return "\n".join([*lines, f"  and {len(windows) - 10} more"] if len(windows) > 10 else lines)


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
    given = ctx.params.get("windows") or ()
    return (_offer(window) for window in read_unfinished_windows(api) if window["id"] not in given)


def _newest_offers(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return (_offer(window) for window in islice(api.windows(), 50))


def _service_offers(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The services of the window that the command line names."""
    health = resolve(api, str(ctx.params.get("window")))["health"]
    return ((name, one["power"]) for name, one in health.items())


def _offer(window: Window) -> tuple[str, str]:
    return window["id"], f"{window['state']}: {', '.join(window['services'])}"


stack_names = _completer(_stack_offers)
service_names = _completer(_allowed_offers)
unfinished_windows = _completer(_unfinished_offers)
any_window = _completer(_newest_offers)
window_services = _completer(_service_offers)
