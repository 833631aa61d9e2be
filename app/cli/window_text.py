"""Windows and services as text: headlines, tables and failures.

This module sends no request and prints nothing; it turns replies into lines.
"""

from collections.abc import Iterable, Iterator, Mapping

from rich.text import Text

from app.cli import output
from app.cli.output import TextTable
from app.domain.enums import Action, CallStatus, CloseReason, Power, State
from power_windows.payloads import Call, Health, Window

# The last lines of an output usually name the error.
TAIL = 6
ENDS = frozenset({Action.STOP, Action.KILL})
_UNKNOWN_HEALTH: Health = {"power": Power.UNKNOWN, "ready": False, "detail": ""}


def health(window: Window) -> dict[str, Health]:
    """The state of each service of the window; unknown for a requested one that the reply lacks."""
    return dict.fromkeys(window["services"], _UNKNOWN_HEALTH) | window["health"]


def first_line(text: str) -> str:
    """The first line of a text."""
    return text.strip().split("\n", 1)[0]


def readiness(power: str, ready: bool) -> Text:
    """`yes` or `no`; a dash for a service that is off."""
    if power == Power.OFF:
        return output.word("-")
    return Text("yes", "green") if ready else Text("no", "yellow")


def services(window: Window) -> TextTable:
    """A table of a window's services."""
    table = TextTable(("SERVICE", "POWER", "READY", "DETAIL"), loose={0: 20}, whole=True)
    for name, one in health(window).items():
        state = readiness(one["power"], one["ready"])
        table.add(name, output.word(one["power"]), state, first_line(one["detail"]))
    return table


def state(window: Window) -> Text:
    """`open`, `open (partial)`, `closing, stuck`, `waiting for its node`."""
    text = output.word(window["state"])
    if window.get("waiting_for"):
        text.append(f" for its {output.harmless(window['waiting_for'])}")
    if window["status"] not in {None, "ok"}:
        text.append_text(Text.assemble(" (", output.word(str(window["status"])), ")"))
    if window["stuck"]:
        text.append_text(Text.assemble(", ", output.word("stuck")))
    return text


def headline(window: Window, left: float | None) -> Text:
    """One line for a window; `left` is in seconds."""
    line = Text.assemble(
        (output.harmless(window["stack"]), "bold"), "  window ", window["id"], "  ", state(window)
    )
    if left is not None and window["state"] in {"opening", "open"}:
        line.append(f"  {output.seconds(left)} left")
    return line


def windows(listed: Iterable[Window], left: Mapping[str, float | None]) -> TextTable:
    """A table of windows; `left` has the seconds of each by its id."""
    table = TextTable(
        ("WINDOW", "STACK", "STATE", "LEFT", "BY", "SERVICES", "REASON"), loose={1: 8, 4: 6, 5: 16, 6: 8}
    )
    listed = list(listed)
    names = output.short(window["id"] for window in listed)
    for window in listed:
        table.add(
            names[window["id"]],
            window["stack"],
            state_and_end(window),
            output.seconds(left[window["id"]]),
            window["actor"],
            ", ".join(window["services"]) if output.live() else ",".join(window["services"]),
            window["reason"] or "",
        )
    return table


def calls(listed: Iterable[Call]) -> TextTable:
    """A table of compose calls."""
    table = TextTable(("AT", "SERVICE", "ACTION", "STATUS", "CODE", "TOOK"), loose={1: 16})
    for call in listed:
        code, took = call["returncode"], call["elapsed_ms"]
        table.add(
            output.clock(call["timestamp"]),
            call["service"],
            call["action"],
            output.word(call["status"]),
            "-" if code is None else str(code),
            "-" if took is None else f"{took}ms",
        )
    return table


def trouble_lines(window: Window) -> Iterator[Text]:
    """The services that are not ready, with their last log lines and failed call."""
    # Services of a window that closes are off because it closes.
    quiet = {Power.OFF, Power.STOPPING} if window["state"] in {State.CLOSING, State.CLOSED} else set[Power]()
    for name, one in health(window).items():
        failed = [call for call in window["results"] if call["service"] == name and went_wrong(call)]
        if not failed and (one["ready"] or one["power"] in quiet):
            continue
        yield Text.assemble((output.harmless(name), "bold"), "  ", output.word(one["power"]))
        yield from _indent(one["detail"])
        if failed:
            yield from failed_call_lines(failed[-1])


def failed_call_lines(call: Call) -> Iterator[Text]:
    """A failed call: its command line, its result, and its last output."""
    code = "" if call["returncode"] is None else f" {call['returncode']}"
    ended = {CallStatus.FAIL: f"exit{code}", CallStatus.TIMEOUT: "no end within its time"}
    how = ended.get(CallStatus(call["status"]), call["status"])
    yield Text(f"  {output.command(call['argv'])}: {how}", "dim")
    yield from _indent(call["stderr"] or call["stdout"], margin=4)


def went_wrong(call: Call) -> bool:
    """True where the call failed, timed out, or was lost or cancelled."""
    return call["status"] not in {CallStatus.OK, CallStatus.RUNNING}


def _indent(text: str, margin: int = 2) -> Iterator[Text]:
    for line in lines(text)[-TAIL:]:
        yield Text(" " * margin + line)


def lines(text: str) -> list[str]:
    """The lines of a text, without control characters."""
    return [output.harmless(line).rstrip() for line in text.strip().splitlines()]


def state_and_end(window: Window) -> Text:
    """The state with the close reason if there is one: `closed, expired`."""
    reason = window["close_reason"]
    return Text.assemble(state(window), ", ", output.word(reason)) if reason else state(window)


def end_text(window: Window) -> Text:
    """The close reason and its actor, such as `expired by clock`; empty for a manual close."""
    reason, by = window["close_reason"], window.get("closed_by")
    if not reason or reason == CloseReason.MANUAL:
        return Text()
    return Text.assemble("  ", output.word(reason), f" by {output.harmless(by)}" if by else "")


def close_reason_lines(window: Window) -> Iterator[Text]:
    """Why the window closed, as indented lines."""
    return _indent(window.get("close_detail") or window["close_reason"] or "")


def ready(window: Window) -> list[str]:
    """The names of the services that are ready."""
    return [name for name, one in health(window).items() if one["ready"]]


def unready(window: Window) -> list[str]:
    """The names of the services that are not ready."""
    return [name for name, one in health(window).items() if not one["ready"]]


def stopped_services(window: Window) -> list[str]:
    """The services that the window's close has stopped."""
    done = (call for call in window["results"] if call["action"] in ENDS and call["status"] == CallStatus.OK)
    return list(dict.fromkeys(call["service"] for call in done))
