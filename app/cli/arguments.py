"""What the commands take, and how a shell completes it.

Names are completed from the service itself. A completion never complains: where
the service cannot be asked, there is nothing to offer.
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
# A prefix is looked for among this many of the newest windows, and not through years of them.
REACH = 2000
_ID = re.compile(r"[A-Za-z0-9_-]+")
_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


class Duration(click.ParamType[float]):
    """Seconds, written as `90`, `90s`, `30m` or `1h30m`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from a number or from text such as `30m`; fails with what would be right."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return durations.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def unfinished(api: Api) -> Iterator[Window]:
    """Every window that has not ended yet."""
    for state in UNFINISHED:
        yield from api.windows(state=state)


def resolve(api: Api, text: str) -> Window:
    """The window that an id or the beginning of one means.

    Windows that have not ended are looked through first, then the newest of all.
    """
    if not _ID.fullmatch(text):
        raise WrongUsage(f"{text!r} is no window's id; `power windows` lists them")
    try:
        return api.window(text)
    except NotFound as error:
        found = _beginning(text, unfinished(api)) or _beginning(text, api.windows(limit=REACH))
        if not found:
            raise NotFound(f"{error.message}\n`power windows` lists the newest") from error
    if len(found) > 1:
        raise WrongUsage(f"{text!r} could be any of these; give more of it:\n{_candidates(found)}")
    return api.window(found[0]["id"])


def _beginning(text: str, windows: Iterable[Window]) -> list[Window]:
    return [window for window in windows if window["id"].startswith(text)]


def _candidates(windows: list[Window]) -> str:
    shown = [f"  {one['id']}  {one['state']}  {', '.join(one['services'])}" for one in windows[:10]]
    return "\n".join([*shown, f"  and {len(windows) - 10} more"] if len(windows) > 10 else shown)


def _quietly(offer: Callable[[Api, click.Context], Iterable[tuple[str, str]]]) -> _Completer:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        try:
            with connect() as api:
                offers = [(name, hint) for name, hint in offer(api, ctx) if name.startswith(incomplete)]
        except PowerError:
            return []
        return [CompletionItem(name, help=hint) for name, hint in offers]

    return complete


def _stacks(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return ((stack["name"], stack["mode"]) for stack in api.stacks())


def _services(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """What may be powered and is not named on the line yet."""
    named, chosen = ctx.params.get("services") or (), ctx.params.get("stack")
    for stack in api.stacks():
        for service in stack["services"] if chosen in {None, stack["name"]} else []:
            if service["role"] == Role.ALLOWED and service["name"] not in named:
                yield service["name"], service["power"]


def _unfinished(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    named = ctx.params.get("windows") or ()
    return (_offer(window) for window in unfinished(api) if window["id"] not in named)


def _any(api: Api, _: click.Context) -> Iterator[tuple[str, str]]:
    return (_offer(window) for window in islice(api.windows(), 50))


def _of_window(api: Api, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The services of the window that is named on the line."""
    health = resolve(api, str(ctx.params.get("window")))["health"]
    return ((name, one["power"]) for name, one in health.items())


def _offer(window: Window) -> tuple[str, str]:
    return window["id"], f"{window['state']}: {', '.join(window['services'])}"


stack_names = _quietly(_stacks)
service_names = _quietly(_services)
unfinished_windows = _quietly(_unfinished)
any_window = _quietly(_any)
window_services = _quietly(_of_window)
