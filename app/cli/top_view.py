"""The picture of `power top`: stacks and services, windows, news, each in the room there is.

Nothing here asks or waits; it turns what is known into lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from app.cli import output, progress, window_text
from app.cli.output import TextTable
from app.domain import durations
from app.domain.enums import Power, Role
from power_windows.payloads import Service, Stack, Window

NARROW = 72
"""Columns below which a line says less rather than being cut."""
RUNNING = {Power.ON, Power.STARTING, Power.STOPPING, Power.FAILING}
_NEWS = 3
"""Lines of news that are worth showing even where there is little room."""


@dataclass(frozen=True)
class TopScreen:
    """What there is to see; `since` are the seconds since it was read, `lost` since when it cannot be."""

    url: str
    stacks: list[Stack]
    windows: list[Window]
    news: list[Text]
    since: float
    lost: float | None
    chosen: str | None
    said: str

    def time_left(self, window: Window) -> float | None:
        """Seconds until the window's deadline, at least 0; None where it has none."""
        left = progress.times_left([window])[window["id"]]
        return None if left is None else max(0.0, left - self.since)


def plain_lines(scene: TopScreen) -> list[Text]:
    """For a pipe: nothing is cut and nothing left out."""
    lines = [line for stack in scene.stacks for line in [*_stack(scene, stack, None), Text()]]
    return [*lines, *_windows(scene, None)]


def screen_lines(scene: TopScreen, width: int, height: int) -> list[Text]:
    """For a screen of this size: at most `height` lines."""
    head, foot = _head(scene, width), _foot(scene)
    windows = [Text(), *_windows(scene, width)]
    services = [line for stack in scene.stacks for line in [Text(), *_stack(scene, stack, width)]]
    room = height - len(head) - 1
    news = scene.news[-max(_NEWS, room - len(windows) - len(services) - 1) :]
    below = [*windows, *([Text(), *news] if news else [])]
    if len(services) + len(below) > room:
        services = _fit_lines(services, max(3, room - len(below)))
    body = [*services, *below][:room]
    return [*head, *body, *[Text()] * (room - len(body)), foot]


def _fit_lines(lines: list[Text], room: int) -> list[Text]:
    """As many lines as there is room for, with a word about the others."""
    lines = [line for line in lines if line.plain]
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], Text(f"… {len(lines) - room + 1} more lines; power ps shows all", "dim")]


def _head(scene: TopScreen, width: int) -> list[Text]:
    on = sum(one["power"] in RUNNING for stack in scene.stacks for one in stack["services"])
    line = Text.assemble(("power top", "bold"), f"  {scene.url.removeprefix('http://')}")
    if width >= NARROW:
        line.append(f"  {on} services on, {len(scene.windows)} windows", "dim")
    if scene.lost is not None:
        line = Text(
            f"connection lost {durations.show(scene.lost)} ago, trying again; as last seen:", "bold red"
        )
    return [line]


def _foot(scene: TopScreen) -> Text:
    if scene.said:
        return Text(output.harmless(scene.said), "yellow")
    more = "  e extend  x close" if scene.chosen else ""
    return Text(f"↑↓ choose{more}  q quit", "dim")


def _stack(scene: TopScreen, stack: Stack, width: int | None) -> Iterator[Text]:
    narrow = width is not None and width < NARROW
    heads = (
        ("SERVICE", "POWER", "LEFT") if narrow else ("SERVICE", "POWER", "READY", "LEFT", "HELD BY", "DETAIL")
    )
    table = TextTable(heads, loose={0: 10} if narrow else {0: 16, 4: 8, 5: 8})
    names = output.short({holder for one in stack["services"] for holder in one["holders"]})
    for service in stack["services"]:
        if service["role"] != Role.NONE or service["power"] != Power.OFF:
            table.add(*_cells(scene, service, names, narrow))
    yield Text.assemble(
        (output.harmless(stack["name"]), "bold"), "  ", output.word(stack["mode"]),
        (f"  on {output.harmless(stack['node'])}", "dim"), ("  (* core)", "dim"),
    )  # fmt: skip
    for fault in stack.get("faults", []):
        yield Text(f"rejected: {output.harmless(fault)}", "red")
    yield from table.lines(width)


def _cells(scene: TopScreen, service: Service, names: dict[str, str], narrow: bool) -> list[str | Text]:
    left = service["time_left_sec"]
    time_left = output.seconds(None if left is None else max(0.0, left - scene.since))
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


def _windows(scene: TopScreen, width: int | None) -> Iterator[Text]:
    if not scene.windows:
        yield Text("no windows", "dim")
        return
    narrow = width is not None and width < NARROW
    heads = ("WINDOW", "STATE", "LEFT") if narrow else ("WINDOW", "STATE", "LEFT", "BY", "SERVICES", "REASON")
    table = TextTable(heads, loose={} if narrow else {3: 6, 4: 12, 5: 6})
    names = output.short(window["id"] for window in scene.windows)
    for window in scene.windows:
        cells: list[str | Text] = [
            names[window["id"]], window_text.state(window), output.seconds(scene.time_left(window)),
            window["actor"],
            ",".join(window["services"]), window["reason"] or "",
        ]  # fmt: skip
        table.add(*cells[: len(heads)])
    head, *rows = table.lines(width)
    yield head
    for window, row in zip(scene.windows, rows, strict=True):
        if window["id"] == scene.chosen:
            row.stylize("reverse")
        yield row
