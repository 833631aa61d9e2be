"""`power stacks` and `power ps`: print the stacks, and the state of their services."""

import time
from collections.abc import Callable, Iterable
from functools import partial

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from app.cli import output, window_text
from app.cli.arguments import stack_names, utc_option
from app.cli.follow import Hints
from app.cli.output import TextTable
from app.domain.enums import Power
from app.domain.meanings import MODES
from power_windows.payloads import Service, Stack
from power_windows.rest import Api, connect

OUTDATED = "runs an older definition than the compose files have; its next start uses theirs"
_RUNNING = {Power.ON, Power.STARTING, Power.STOPPING, Power.FAILING}


@click.command()
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def stacks(as_json: bool) -> None:
    """List the stacks and their mode.

    \b
    Example:
      power stacks
    """
    with connect() as api:
        listed = api.stacks()
    if as_json:
        output.dump({"items": listed})
    elif listed:
        _stacks(listed).show()
        if output.live():
            # A cell of the table may be cut; faults are printed whole.
            output.say(*(line for stack in listed for line in _faults(stack, f"{stack['name']} ")))
            output.say(*_legend(listed))
    else:
        output.note("no stacks; name them in power.toml, which their node's worker reads")


def _legend(listed: Iterable[Stack]) -> list[Text]:
    """What the modes that are shown mean, a line each."""
    modes = {stack["mode"] for stack in listed}
    lines = [Text(f"{mode}: {meaning}", "dim") for mode, meaning in MODES.items() if mode in modes]
    return [Text(), *lines, Text("all words: power help states", "dim")]


def _stacks(listed: Iterable[Stack]) -> TextTable:
    table = TextTable(("STACK", "MODE", "NODE", "ON", "WINDOWS", "NOTE"), loose={0: 16, 2: 8}, whole=True)
    for stack in listed:
        services = stack["services"]
        running = sum(service["power"] in _RUNNING for service in services)
        holders = {holder for service in services for holder in service["holders"]}
        failing = [service["name"] for service in services if service["power"] == Power.FAILING]
        drifting = [service["name"] for service in services if service.get("drift")]
        refusing = [service["name"] for service in services if service.get("failed_stops")]
        notes = [
            *_away(stack),
            *_file_notes(stack),
            *_note("drifting", drifting),
            *_note("would not stop", refusing),
            *_note("failing", failing),
        ]
        table.add(
            stack["name"],
            output.word(stack["mode"]),
            stack["node"],
            f"{running}/{len(services)}",
            str(len(holders)),
            "; ".join(notes),
        )
    return table


def _file_notes(stack: Stack) -> list[str]:
    """The faults of its files; on a terminal only their number, since the faults are printed below."""
    faults, refused = stack.get("faults", []), stack.get("refused", [])
    if not output.live():
        return [*faults, *(f"change refused: {fault}" for fault in refused)]
    counts = {"fault": len(faults), "refused change": len(refused)}
    return [f"{count} {what}{'s' * (count > 1)}" for what, count in counts.items() if count]


def _away(stack: Stack) -> list[str]:
    return [f"away since {output.clock(stack.get('away_since'))}"] if stack.get("away") else []


def _note(what: str, names: list[str]) -> list[str]:
    return [f"{what}: {', '.join(names)}"] if names else []


@click.command()
@click.argument("stack", required=False, shell_complete=stack_names)
@click.option("-w", "--watch", "watching", is_flag=True, help="Go on, and show changes as they happen.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def ps(stack: str | None, watching: bool, as_json: bool) -> None:
    """Show services: power, readiness, windows, time left.

    \b
    Examples:
      power ps
      power ps vx11 --watch
    """
    if watching and as_json:
        raise click.UsageError("--watch is for people; programs use `power audit --follow --json`")
    with connect() as api:
        read = partial(_read_stacks, api, stack)
        if watching:
            _watch(api, read)
            return
        listed = read()
    if as_json:
        output.dump(listed[0] if stack else {"items": listed})
    else:
        output.say(*_services(listed, output.console().width if output.live() else None, 0.0))


def _services(listed: list[Stack], width: int | None, since: float) -> list[Text]:
    """All services; on a terminal stack by stack, in a pipe as one table."""
    holders = {holder for stack in listed for service in stack["services"] for holder in service["holders"]}
    names = output.short(holders)
    if width is None:
        return _one_table(listed, names).lines(None)
    return [line for stack in listed for line in [Text(), *_stack_lines(stack, names, width, since)]][1:]


def _read_stacks(api: Api, name: str | None) -> list[Stack]:
    return [api.stack(name)] if name else api.stacks()


_HEADS = ("SERVICE", "ROLE", "POWER", "READY", "LEFT", "HELD BY", "DETAIL")


def _one_table(listed: list[Stack], names: dict[str, str]) -> TextTable:
    table = TextTable(("STACK", *_HEADS))
    for stack in listed:
        for fault in stack.get("faults", []):
            table.add(stack["name"], "-", "-", output.word(stack["mode"]), "-", "-", "-", fault)
        for fault in stack.get("refused", []):
            table.add(stack["name"], "-", "-", "EDIT-REFUSED", "-", "-", "-", fault)
        for service in stack["services"]:
            table.add(stack["name"], *_cells(service, names, 0.0))
    return table


def _stack_lines(stack: Stack, names: dict[str, str], width: int, since: float) -> list[Text]:
    table = TextTable(_HEADS, loose={0: 20, 5: 8}, whole=True)
    for service in stack["services"]:
        table.add(*_cells(service, names, since))
    head = Text.assemble(
        (output.harmless(stack["name"]), "bold"), "  ", output.word(stack["mode"]),
        (f"  on {output.harmless(stack['node'])}", "dim"),
    )  # fmt: skip
    away = [Text(f"{word}: its state is unknown", "yellow") for word in _away(stack)]
    return [head, *away, *_faults(stack), *table.lines(width)]


def _faults(stack: Stack, name: str = "") -> list[Text]:
    """The faults of a rejected stack, and of a change of its files that is not in force."""
    faults, refused = stack.get("faults", []), stack.get("refused", [])
    return [
        *(Text(output.harmless(f"{name}REJECTED: {fault}"), "bold red") for fault in faults),
        *(Text(output.harmless(f"{name}change refused: {fault}"), "yellow") for fault in refused),
    ]


def _cells(service: Service, names: dict[str, str], since: float) -> list[str | Text]:
    """One service's row; `since` is the age of the data in seconds."""
    left = service["time_left_sec"]
    return [
        service["name"],
        output.word(service["role"]) if service["role"] == "none" else service["role"],
        output.word(service["power"]),
        window_text.readiness(service["power"], service["ready"]),
        output.seconds(None if left is None else max(0.0, left - since)),
        (", " if output.live() else ",").join(names[holder] for holder in service["holders"]) or "-",
        _detail(service),
    ]


def _detail(service: Service) -> str:
    """The reasons why a service is not as desired, in one line: drift, failed stops, detail, definition."""
    detail = window_text.first_line(service["detail"]) or service.get("missing_image") or ""
    parts = [_drift(service), _failed_stops(service), detail, OUTDATED if service.get("outdated") else ""]
    return "; ".join(part for part in parts if part)


def _drift(service: Service) -> str:
    drift = service.get("drift")
    if not drift:
        return ""
    return f"{drift['why']}, since {output.clock(drift['since'])}" if drift["since"] else drift["why"]


def _failed_stops(service: Service) -> str:
    failed = service.get("failed_stops", 0)
    if not failed:
        return ""
    stops = "1 stop has failed" if failed == 1 else f"{failed} stops have failed"
    again = service.get("retry_at")
    return f"{stops}, next try {output.clock(again)}" if again else f"{stops}, trying again now"


def _watch(api: Api, read: Callable[[], list[Stack]]) -> None:
    try:
        if output.live():
            _draw(api, read)
        else:
            _print(api, read)
    except KeyboardInterrupt:
        # Ctrl-C is how a user ends this command.
        raise click.exceptions.Exit(0) from None


def _draw(api: Api, read: Callable[[], list[Stack]]) -> None:
    terminal = Console(highlight=False, markup=False, emoji=False)
    listed, read_at = read(), time.monotonic()

    def picture() -> Group:
        return output.group(_services(listed, terminal.width, time.monotonic() - read_at))

    with Live(console=terminal, get_renderable=picture, refresh_per_second=2), Hints(api) as hints:
        while True:
            hints.wait()
            listed, read_at = read(), time.monotonic()


def _print(api: Api, read: Callable[[], list[Stack]]) -> None:
    """Print the table again whenever more than the time left has changed."""
    before: object = None
    with Hints(api) as hints:
        while True:
            listed = read()
            now = [[{**service, "time_left_sec": None} for service in stack["services"]] for stack in listed]
            if now != before:
                output.say(*_services(listed, None, 0.0), "")
            before = now
            hints.wait()
