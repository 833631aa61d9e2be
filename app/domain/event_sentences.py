"""Audit entries as sentences for people, for the terminal and the console.

An entry is a mapping with the keys of the API: `event`, `at`, `actor`, `stack`, `window`, `service`, `facts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain import durations
from app.domain.enums import CallStatus, Event

AuditEntry = Mapping[str, Any]
"""An audit entry as the API answers it."""
# Without `complete` a call is described only where it fails.
_QUIET = {Event.CALL_STARTED, Event.CALL_FINISHED}
_LINES = 3


@dataclass
class EventSentences:
    """Describe entries, oldest first. It keeps the times of each window to compute how long a step took."""

    complete: bool = False
    """Whether every entry has a sentence, that of a successful call too."""
    began: dict[str, datetime] = field(default_factory=dict)
    closing: dict[str, datetime] = field(default_factory=dict)

    def know(self, windows: Iterable[Mapping[str, Any]]) -> None:
        """Add windows that existed before the first entry."""
        for window in windows:
            self.began[window["id"]] = datetime.fromisoformat(window["created_at"])

    def describe(self, entry: AuditEntry) -> list[str]:
        """A sentence, then the last log lines of a failure; empty for an unimportant entry."""
        quiet = entry["event"] in _QUIET and entry["facts"].get("status") in {None, CallStatus.OK}
        if quiet and not self.complete:
            return []
        self._remember(entry)
        describe = _DESCRIPTIONS.get(entry["event"], _describe_other)
        lines = describe(self, entry)
        if entry["event"] == Event.WINDOW_CLOSED:
            self.forget(entry["window"] or "")
        return lines

    def forget(self, window: str) -> None:
        """Remove the times of a window that has closed."""
        self.began.pop(window, None)
        self.closing.pop(window, None)

    def _remember(self, entry: AuditEntry) -> None:
        window, at = entry["window"], datetime.fromisoformat(entry["at"])
        if window and entry["event"] in {Event.WINDOW_OPENING, Event.WINDOW_WAITING}:
            self.began.setdefault(window, at)
        if window and entry["event"] == Event.WINDOW_CLOSING:
            self.closing.setdefault(window, at)

    def after(self, entry: AuditEntry, since: dict[str, datetime]) -> str:
        """` after 3.1s` since the window's time in `since`; empty without one."""
        began = since.get(entry["window"] or "")
        if began is None:
            return ""
        seconds = (datetime.fromisoformat(entry["at"]) - began).total_seconds()
        return f" after {f'{seconds:.1f}s' if seconds < 10 else durations.show(seconds)}"


def _describe_opening(_: EventSentences, entry: AuditEntry) -> list[str]:
    facts = entry["facts"]
    if "services" not in facts:
        return ["opening, its wait is over"]
    reason = f' "{facts["reason"]}"' if facts.get("reason") else ""
    waits = f", waiting for {facts['waiting_for']}" if facts.get("waiting_for") else ""
    services = ", ".join(facts["services"])
    return [f"{entry['actor']} opens {services} for {_duration(facts)}{reason}{waits}"]


def _describe_open(sentences: EventSentences, entry: AuditEntry) -> list[str]:
    status = entry["facts"].get("status")
    return [
        f"open{'' if status in {None, 'ok'} else f' ({status})'}{sentences.after(entry, sentences.began)}"
    ]


def _describe_ready(sentences: EventSentences, entry: AuditEntry) -> list[str]:
    return [f"{entry['service']} ready{sentences.after(entry, sentences.began)}"]


def _describe_failing(_: EventSentences, entry: AuditEntry) -> list[str]:
    detail = _text(entry, "detail").strip()
    first, *more = detail.splitlines() or [""]
    return [f"{entry['service']} failing: {first}", *more[-_LINES:]]


def _describe_extension(_: EventSentences, entry: AuditEntry) -> list[str]:
    why = _text(entry, "reason")
    return [f"{entry['actor']} extends: {_duration(entry['facts'])} from now{f': {why}' if why else ''}"]


def _describe_closing(_: EventSentences, entry: AuditEntry) -> list[str]:
    return [f"{'killing' if entry['facts'].get('forced') else 'closing'}: {_ending(entry)}"]


def _describe_closed(sentences: EventSentences, entry: AuditEntry) -> list[str]:
    took = sentences.after(entry, sentences.closing)
    whole = sentences.after(entry, sentences.began).replace(" after ", ", lasted ", 1)
    return [f"closed{took}{whole}{'' if took else ': ' + _ending(entry)}"]


def _describe_stuck(_: EventSentences, entry: AuditEntry) -> list[str]:
    stops = entry["facts"].get("failed_stops", {})
    failed = ", ".join(
        f"{name} ({count} failed {'stop' if count == 1 else 'stops'})" for name, count in stops.items()
    )
    return [f"stuck: {failed or 'it does not close'}"]


def _describe_drift(_: EventSentences, entry: AuditEntry) -> list[str]:
    words = {Event.DRIFT_FOUND: "drifts", Event.DRIFT_STOPPED: "drifts no more: it was stopped"}
    first = words.get(Event(entry["event"]), "drifts no more")
    return [f"{entry['service']} {first}: {_text(entry, 'why') or 'it is ' + _text(entry, 'power')}"]


def _describe_started_call(_: EventSentences, entry: AuditEntry) -> list[str]:
    return [f"{entry['facts'].get('action', 'call')} of {entry['service']} begins"]


def _describe_call(_: EventSentences, entry: AuditEntry) -> list[str]:
    ended = entry["facts"].get("status", CallStatus.LOST)
    last_lines = _text(entry, "stderr").strip().splitlines()[-_LINES:]
    more = [] if ended == CallStatus.OK else last_lines
    return [f"{entry['facts'].get('action', 'call')} of {entry['service']}: {ended}", *more]


def _describe_intent(_: EventSentences, entry: AuditEntry) -> list[str]:
    actor, facts = entry["actor"], entry["facts"]
    name = facts.get("intent")
    if entry["event"] == Event.INTENT_REQUESTED:
        waits = ", which waits for an approval" if facts.get("waits") else ""
        return [f"{actor} wants {name}{waits}"]
    if entry["event"] == Event.INTENT_APPROVED:
        return [f"{actor} approves {name}"]
    outcome = "is cut" if entry["event"] == Event.INTENT_CUT else facts.get("outcome", "ends")
    return [f"{name} {outcome}: {_text(entry, 'detail')}"]


def _describe_refusal(_: EventSentences, entry: AuditEntry) -> list[str]:
    return [f"{entry['actor']} is refused: {_text(entry, 'why')}"]


def _describe_rejection(_: EventSentences, entry: AuditEntry) -> list[str]:
    facts = entry["facts"]
    in_force = facts.get("in_force")
    what = "a change is refused, the earlier definition stays in force" if in_force else "is rejected"
    return [
        f"{entry['stack']}{':' * bool(in_force)} {what}",
        *[str(fault) for fault in facts.get("faults", [])],
    ]


def _describe_other(_: EventSentences, entry: AuditEntry) -> list[str]:
    if phrase := _PHRASES.get(entry["event"]):
        names = defaultdict(lambda: "?", {**entry["facts"], "stack": entry["stack"] or "?"})
        return [f"{entry['actor']} {phrase.format_map(names)}"]
    return [" ".join(filter(None, [entry["event"], entry["service"], "by", entry["actor"]]))]


# What the actor of an entry does; the names in braces are facts of the entry.
_PHRASES: dict[str, str] = {
    Event.TOKEN_CREATED: "creates the token {name}",
    Event.TOKEN_REVOKED: "revokes the token {name}",
    Event.STACK_LOADED: "takes the files of {stack} into use",
    Event.STACK_RELOCATED: "releases {stack} from its old location",
    Event.NODE_CLAIMED: "lets a worker serve node {node}",
    Event.NODE_REFUSED: "refuses a second worker for node {node}",
    Event.NODE_BLIND: "records what node {node} did without the database, from {since} to {until}",
    Event.AUDIT_ARCHIVED: "moves old entries into {file}",
    Event.DATABASE_RESTORED: "restores the database from a backup",
    Event.DATABASE_BEHIND: "finds that the database is older than the worker's snapshot of {stack}",
    Event.CLOCK_STEPPED: "finds that the clock was set by {step_sec} s",
    Event.RUN_STARTED: "starts a run of the scenario {name}",
    Event.RUN_FINISHED: "ends a run of the scenario {name}: {outcome}",
    Event.RUN_CUT: "cuts a run of the scenario {name} short",
    Event.NOTICE_RETRIED: "has the notification {about} sent to {sink} again",
}


_DESCRIPTIONS: dict[str, Callable[[EventSentences, AuditEntry], list[str]]] = {
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
    Event.CALL_STARTED: _describe_started_call,
    Event.CALL_FINISHED: _describe_call,
    Event.CALL_LOST: _describe_call,
    Event.REFUSED: _describe_refusal,
    Event.STACK_REJECTED: _describe_rejection,
    Event.INTENT_REQUESTED: _describe_intent,
    Event.INTENT_APPROVED: _describe_intent,
    Event.INTENT_FINISHED: _describe_intent,
    Event.INTENT_CUT: _describe_intent,
}


def _ending(entry: AuditEntry) -> str:
    """Why a window ends; older entries have the sentence as `reason`."""
    return _text(entry, "close_detail") or _text(entry, "reason")


def _text(entry: AuditEntry, name: str) -> str:
    return str(entry["facts"].get(name) or "")


def _duration(facts: Mapping[str, Any]) -> str:
    seconds = facts.get("ttl_sec")
    return durations.show(seconds) if isinstance(seconds, int | float) else "?"
