"""The audit trail, compared with the tables."""

from __future__ import annotations

import json

from sqlalchemy import select

from app.domain.enums import CallStatus, Event, State
from app.store import audit
from app.store.tables import Call, Entry, Window
from tests.model.expected import TRANSITIONS
from tests.model.worker import ProcessDatabase

_STATE_OF = {
    Event.WINDOW_WAITING: State.WAITING,
    Event.WINDOW_OPENING: State.OPENING,
    Event.WINDOW_OPEN: State.OPEN,
    Event.WINDOW_CLOSING: State.CLOSING,
    Event.WINDOW_CLOSED: State.CLOSED,
}
_CALLS = {Event.CALL_STARTED, Event.CALL_FINISHED, Event.CALL_LOST}


class Trail:
    """Reads each audit entry once, and remembers what the entries say of windows and calls."""

    def __init__(self, database: ProcessDatabase) -> None:
        self._database = database
        self._place: dict[str, int] = {}
        self._last: dict[str, str] = {}
        self._states: dict[str, list[State]] = {}
        self._calls: dict[int, list[str]] = {}

    def check_new_entries(self) -> None:
        """Check the entries since the last call: the chain continues, and the tables agree with it."""
        with self._database.read() as session:
            for entry in audit.since(session, self._place, limit=100_000):
                self._follow(entry)
            current = {row.id: State(row.state) for row in session.scalars(select(Window))}
            calls = {row.id: row for row in session.scalars(select(Call))}
        last = {window: states[-1] for window, states in self._states.items()}
        assert last == current, f"the audit trail and the windows disagree: {last}, {current}"
        assert self._calls.keys() == calls.keys()
        for number, events in self._calls.items():
            self._check_call(calls[number], events)

    def _follow(self, entry: Entry) -> None:
        assert entry.prev == self._last.get(entry.chain, audit.GENESIS)
        assert entry.seq == self._place.get(entry.chain, 0) + 1
        self._place[entry.chain], self._last[entry.chain] = entry.seq, entry.hash
        if entry.event in _CALLS:
            self._calls.setdefault(json.loads(entry.facts)["call"], []).append(entry.event)
        if to := _STATE_OF.get(Event(entry.event)):
            self._add_state(entry, to)

    def _add_state(self, entry: Entry, to: State) -> None:
        states = self._states.setdefault(entry.window_id or "", [])
        again = to is State.CLOSING and json.loads(entry.facts).get("forced")
        if states and not (again and states[-1] is State.CLOSING):
            assert (states[-1], to) in TRANSITIONS, f"the audit trail goes from {states[-1]} to {to}"
        assert states or to in {State.WAITING, State.OPENING}
        states.append(to)

    def _check_call(self, call: Call, events: list[str]) -> None:
        ends = {CallStatus.RUNNING: [], CallStatus.LOST: [Event.CALL_LOST]}
        assert events == [Event.CALL_STARTED, *ends.get(CallStatus(call.status), [Event.CALL_FINISHED])]

    def histories(self) -> list[str]:
        """Return the states of each window in order, as one text per window."""
        return [" ".join(dict.fromkeys(states)) for states in self._states.values()]

    def check_chain(self) -> None:
        with self._database.read() as session:
            assert all(proof.ok for proof in audit.verify(session))
