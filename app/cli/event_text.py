"""Describe an audit entry in one or a few lines for people."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.text import Text

from app.cli import output, window_text
from app.domain import durations
from app.domain.enums import CallStatus, Event
from power_windows.payloads import Entry, Window

# A call is shown only where it fails.
_QUIET = {Event.CALL_STARTED, Event.CALL_FINISHED}
_COLOURS: dict[str, str] = {
    Event.WINDOW_OPENING: "yellow", Event.WINDOW_OPEN: "green", Event.SERVICE_READY: "green",
    Event.SERVICE_FAILING: "bold red", Event.WINDOW_STUCK: "bold red", Event.DRIFT_FOUND: "bold red",
    Event.REFUSED: "red", Event.STACK_REJECTED: "red", Event.CALL_FINISHED: "red", Event.CALL_LOST: "red",
    Event.WINDOW_CLOSING: "yellow", Event.WINDOW_CLOSED: "dim",
}  # fmt: skip
_LINES = 3


@dataclass
class EventText:
    """Describes entries. It keeps the times of each window, to tell how long a step took."""

    named: bool = False
    """Whether a line names its stack; needed where there are several."""
    began: dict[str, datetime] = field(default_factory=dict)
    closing: dict[str, datetime] = field(default_factory=dict)

    def know(self, windows: Iterable[Window]) -> None:
        """Add windows that existed before the first entry."""
        for window in windows:
            self.began[window["id"]] = datetime.fromisoformat(window["created_at"])

    def lines(self, entry: Entry) -> list[Text]:
        """An entry as lines, with the last log lines of a failure; empty for an unimportant entry."""
        if entry["event"] in _QUIET and entry["facts"].get("status") in {None, CallStatus.OK}:
            return []
        self._remember(entry)
        say = _DESCRIPTIONS.get(entry["event"], _describe_other)
        first, *more = say(self, entry)
        if entry["event"] == Event.WINDOW_CLOSED:
            self.forget(entry["window"] or "")
        window = entry["window"] or ""
        names = [window[:8].ljust(8) if output.live() else window or "-"]
        if self.named:
            names.append(entry["stack"] or "-")
        line = Text("  ".join(map(output.harmless, [output.clock(entry["at"]), *names, ""])))
        line.append(output.harmless(first), _COLOURS.get(entry["event"], ""))
        return [line, *(Text(f"    {output.harmless(one)}") for one in more)]

    def forget(self, window: str) -> None:
        """Remove the times of a window that has closed."""
        self.began.pop(window, None)
        self.closing.pop(window, None)

    def _remember(self, entry: Entry) -> None:
        window, at = entry["window"], datetime.fromisoformat(entry["at"])
        if window and entry["event"] in {Event.WINDOW_OPENING, Event.WINDOW_WAITING}:
            self.began.setdefault(window, at)
        if window and entry["event"] == Event.WINDOW_CLOSING:
            self.closing.setdefault(window, at)

    def after(self, entry: Entry, since: dict[str, datetime]) -> str:
        """` after 3.1s` since the window's time in `since`; empty without one."""
        began = since.get(entry["window"] or "")
        if began is None:
            return ""
        seconds = (datetime.fromisoformat(entry["at"]) - began).total_seconds()
        return f" after {f'{seconds:.1f}s' if seconds < 10 else durations.show(seconds)}"


def _describe_opening(_: EventText, entry: Entry) -> list[str]:
    facts = entry["facts"]
    if "services" not in facts:
        return ["opening, its wait is over"]
    reason = f' "{facts["reason"]}"' if facts.get("reason") else ""
    waits = f", waiting for {facts['waiting_for']}" if facts.get("waiting_for") else ""
    services = ", ".join(facts["services"])
    return [f"{entry['actor']} opens {services} for {_duration(facts)}{reason}{waits}"]


def _describe_open(text: EventText, entry: Entry) -> list[str]:
    status = entry["facts"].get("status")
    return [f"open{'' if status in {None, 'ok'} else f' ({status})'}{text.after(entry, text.began)}"]


def _describe_ready(text: EventText, entry: Entry) -> list[str]:
    return [f"{entry['service']} ready{text.after(entry, text.began)}"]


def _describe_failing(_: EventText, entry: Entry) -> list[str]:
    detail = _text(entry, "detail").strip()
    return [
        f"{entry['service']} failing: {window_text.first_line(detail)}",
        *detail.splitlines()[1:][-_LINES:],
    ]


def _describe_extension(_: EventText, entry: Entry) -> list[str]:
    why = _text(entry, "reason")
    return [f"{entry['actor']} extends: {_duration(entry['facts'])} from now{f': {why}' if why else ''}"]


def _describe_closing(_: EventText, entry: Entry) -> list[str]:
    return [f"{'killing' if entry['facts'].get('forced') else 'closing'}: {_ending(entry)}"]


def _describe_closed(text: EventText, entry: Entry) -> list[str]:
    took = text.after(entry, text.closing)
    whole = text.after(entry, text.began).replace(" after ", ", lasted ", 1)
    return [f"closed{took}{whole}{'' if took else ': ' + _ending(entry)}"]


def _describe_stuck(_: EventText, entry: Entry) -> list[str]:
    stops = entry["facts"].get("failed_stops", {})
    failed = ", ".join(f"{name} ({count} failed stops)" for name, count in stops.items())
    return [f"stuck: {failed or 'it does not close'}"]


def _describe_drift(_: EventText, entry: Entry) -> list[str]:
    words = {Event.DRIFT_FOUND: "drifts", Event.DRIFT_STOPPED: "drifts no more: it was stopped"}
    first = words.get(Event(entry["event"]), "drifts no more")
    return [f"{entry['service']} {first}: {_text(entry, 'why') or 'it is ' + _text(entry, 'power')}"]


def _describe_call(_: EventText, entry: Entry) -> list[str]:
    ended = entry["facts"].get("status", CallStatus.LOST)
    first = _text(entry, "stderr").strip().splitlines()[-_LINES:]
    return [f"{entry['facts'].get('action', 'call')} of {entry['service']}: {ended}", *first]


def _describe_refusal(_: EventText, entry: Entry) -> list[str]:
    return [f"{entry['actor']} is refused: {_text(entry, 'why')}"]


def _describe_rejection(_: EventText, entry: Entry) -> list[str]:
    return [f"{entry['stack']} is rejected", *[str(fault) for fault in entry["facts"].get("faults", [])]]


def _describe_other(_: EventText, entry: Entry) -> list[str]:
    return [" ".join(filter(None, [entry["event"], entry["service"], "by", entry["actor"]]))]


_DESCRIPTIONS: dict[str, Callable[[EventText, Entry], list[str]]] = {
    Event.WINDOW_WAITING: _describe_opening,
    Event.WINDOW_OPENING: _describe_opening,
    Event.WINDOW_OPEN: _describe_open,
    Event.WINDOW_EXTENDED: _describe_extension,
    Event.WINDOW_CLOSING: _describe_closing,
    Event.WINDOW_CLOSED: _describe_closed,
    Event.WINDOW_STUCK: _describe_stuck,
    Event.SERVICE_READY: _describe_ready,
    Event.SERVICE_FAILING: _describe_failing,
    Event.DRIFT_FOUND: _describe_drift,
    Event.DRIFT_STOPPED: _describe_drift,
    Event.DRIFT_ENDED: _describe_drift,
    Event.CALL_FINISHED: _describe_call,
    Event.CALL_LOST: _describe_call,
    Event.REFUSED: _describe_refusal,
    Event.STACK_REJECTED: _describe_rejection,
}


def _ending(entry: Entry) -> str:
    """Why a window ends; older entries have the sentence as `reason`."""
    return _text(entry, "close_detail") or _text(entry, "reason")


def _text(entry: Entry, name: str) -> str:
    return str(entry["facts"].get(name) or "")


def _duration(facts: dict[str, Any]) -> str:
    seconds = facts.get("ttl_sec")
    return durations.show(seconds) if isinstance(seconds, int | float) else "?"
