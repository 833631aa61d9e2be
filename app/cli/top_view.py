"""The picture of `power top`: stacks, services, windows and events, as lines that fit the screen.

This module sends no request; it turns the state of the screen into lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rich.text import Text

from app.cli import output, progress, window_text
from app.cli.output import TextTable
from app.domain import durations
from app.domain.enums import Power, Role
from power_windows.payloads import Service, Stack, Window

NARROW = 72
"""Columns below which tables have fewer columns."""
RUNNING = {Power.ON, Power.STARTING, Power.STOPPING, Power.FAILING}
_MIN_EVENTS = 3
"""Event lines that are shown even where there is little room."""


@dataclass
class Scroll:
    """The first visible line of the services, and how many are visible; drawing keeps both in range."""

    first: int = 0
    page: int = 1


@dataclass(frozen=True)
class TopScreen:
    """The state to draw. `since` is its age in seconds, `lost` the seconds since the connection was lost.

    With `pattern`, only the stacks, services and windows that contain it are drawn.
    """

    url: str
    stacks: list[Stack]
    windows: list[Window]
    events: list[Text]
    since: float
    lost: float | None
    chosen: str | None
    message: str
    pattern: str = ""
    scroll: Scroll = field(default_factory=Scroll)

    def apply_filter(self) -> "TopScreen":
        """The same with the stacks, services and windows that contain the pattern."""
        pattern = self.pattern.casefold()
        if not pattern:
            return self
        stacks = [_filter_stack(stack, pattern) for stack in self.stacks]
        windows = [window for window in self.windows if pattern in _searched_text(window)]
        return replace(self, stacks=[stack for stack in stacks if stack["services"]], windows=windows)

    def time_left(self, window: Window) -> float | None:
        """Seconds until the window's deadline, at least 0; None where it has none."""
        left = progress.times_left([window])[window["id"]]
        return None if left is None else max(0.0, left - self.since)


def _filter_stack(stack: Stack, pattern: str) -> Stack:
    """The stack with the services that match; with all of them where its own name matches."""
    if pattern in stack["name"].casefold():
        return stack
    services = [one for one in stack["services"] if pattern in f"{one['name']} {one['power']}".casefold()]
    return {**stack, "services": services}


def _searched_text(window: Window) -> str:
    parts = [window["id"], window["stack"], window["state"], window["actor"], *window["services"]]
    return " ".join([*parts, window["reason"] or ""]).casefold()


def plain_lines(screen: TopScreen) -> list[Text]:
    """The lines for a pipe, complete and uncut."""
    lines = [line for stack in screen.stacks for line in [*_stack(screen, stack, None), Text()]]
    return [*lines, *_windows(screen, None)]


def screen_lines(screen: TopScreen, width: int, height: int) -> list[Text]:
    """The lines for a screen of this size, at most `height`."""
    head, foot = _head(screen, width), _foot(screen)
    screen = screen.apply_filter()
    room = height - len(head) - 1
    windows = [Text(), *_fit_windows(screen, width, max(3, room // 2))]
    services = [line for stack in screen.stacks for line in [Text(), *_stack(screen, stack, width)]]
    events = screen.events[-max(_MIN_EVENTS, room - len(windows) - len(services) - 1) :]
    below = [*windows, *([Text(), *events] if events else [])]
    if len(services) + len(below) > room:
        services = _fit_services(services, max(3, room - len(below)), screen.scroll)
    body = [*services, *below][:room]
    return [*head, *body, *[Text()] * (room - len(body)), foot]


def _fit_services(lines: list[Text], room: int, scroll: Scroll) -> list[Text]:
    """The lines that fit, from the one to which the user has scrolled; a last one counts the others."""
    lines = [line for line in lines if line.plain]
    if len(lines) <= room:
        return lines
    scroll.page = room - 1
    scroll.first = max(0, min(scroll.first, len(lines) - scroll.page))
    after = len(lines) - scroll.first - scroll.page
    others = Text(f"… {after} more lines, {scroll.first} before; PgUp and PgDn scroll, / filters", "dim")
    return [*lines[scroll.first : scroll.first + scroll.page], others]


def _fit_windows(screen: TopScreen, width: int, room: int) -> list[Text]:
    """The heading and the windows that fit, among them the chosen one; a last line counts the others."""
    head, *rows = _windows(screen, width)
    if len(rows) < room:
        return [head, *rows]
    chosen = next((at for at, one in enumerate(screen.windows) if one["id"] == screen.chosen), 0)
    page = max(1, room - 2)
    first = max(0, min(chosen - page // 2, len(rows) - page))
    return [head, *rows[first : first + page], Text(f"… {len(rows) - page} more windows", "dim")]


def _head(screen: TopScreen, width: int) -> list[Text]:
    running = sum(one["power"] in RUNNING for stack in screen.stacks for one in stack["services"])
    line = Text.assemble(("power top", "bold"), f"  {screen.url.removeprefix('http://')}")
    if width >= NARROW:
        line.append(f"  {running} services on, {len(screen.windows)} windows", "dim")
    if screen.lost is not None:
        line = Text(
            f"connection lost {durations.show(screen.lost)} ago, trying again; last known state:", "bold red"
        )
    return [line]


def _foot(screen: TopScreen) -> Text:
    if screen.message:
        return Text(output.harmless(screen.message), "yellow")
    keys = "  e extend  x close" if screen.chosen else ""
    filtered = f"  filter: {output.harmless(screen.pattern)} (Esc ends it)" if screen.pattern else ""
    return Text(f"↑↓ choose{keys}  / filter  q quit{filtered}", "dim")


def _stack(screen: TopScreen, stack: Stack, width: int | None) -> Iterator[Text]:
    narrow = width is not None and width < NARROW
    heads = (
        ("SERVICE", "POWER", "LEFT") if narrow else ("SERVICE", "POWER", "READY", "LEFT", "HELD BY", "DETAIL")
    )
    table = TextTable(heads, loose={0: 10} if narrow else {0: 16, 4: 8}, whole=not narrow)
    names = output.short({holder for one in stack["services"] for holder in one["holders"]})
    for service in stack["services"]:
        if service["role"] != Role.NONE or service["power"] != Power.OFF:
            table.add(*_cells(screen, service, names, narrow))
    yield Text.assemble(
        (output.harmless(stack["name"]), "bold"), "  ", output.word(stack["mode"]),
        (f"  on {output.harmless(stack['node'])}", "dim"), ("  (* core)", "dim"),
    )  # fmt: skip
    for fault in stack.get("faults", []):
        yield Text(f"REJECTED: {output.harmless(fault)}", "red")
    yield from table.lines(width)


def _cells(screen: TopScreen, service: Service, names: dict[str, str], narrow: bool) -> list[str | Text]:
    left = service["time_left_sec"]
    time_left = output.seconds(None if left is None else max(0.0, left - screen.since))
    name = f"{service['name']} *" if service["role"] == Role.CORE else service["name"]
    if narrow:
        return [name, output.word(service["power"]), time_left]
    held = ",".join(names[holder] for holder in sorted(service["holders"])) or "-"
    ready = window_text.readiness(service["power"], service["ready"])
    return [
        name,
        output.word(service["power"]),
        ready,
        time_left,
        held,
        window_text.first_line(service["detail"]),
    ]


def _windows(screen: TopScreen, width: int | None) -> Iterator[Text]:
    if not screen.windows:
        yield Text("no windows", "dim")
        return
    narrow = width is not None and width < NARROW
    heads = ("WINDOW", "STATE", "LEFT") if narrow else ("WINDOW", "STATE", "LEFT", "BY", "SERVICES", "REASON")
    table = TextTable(heads, loose={} if narrow else {3: 6, 4: 12, 5: 6})
    names = output.short(window["id"] for window in screen.windows)
    for window in screen.windows:
        cells: list[str | Text] = [
            names[window["id"]], window_text.state(window), output.seconds(screen.time_left(window)),
            window["actor"],
            ",".join(window["services"]), window["reason"] or "",
        ]  # fmt: skip
        table.add(*cells[: len(heads)])
    head, *rows = table.lines(width)
    yield head
    for window, row in zip(screen.windows, rows, strict=True):
        if window["id"] == screen.chosen:
            row.stylize("reverse")
        yield row
