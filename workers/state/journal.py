"""A worker's journal: the calls it makes while the database is away, on disk until they are imported.

A line is written before each offline call and another one after it, each synced to disk before
anything else happens. If the disk cannot be written, the lines stay in memory and are written
later: stopping what is due matters more than recording it.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain import call_output
from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus
from app.usecases.reconciliation.offline_import import JournalPage, OfflineCall, OfflineEnd, OfflineRecord
from workers.state.snapshot import Outage

log = logging.getLogger(__name__)
_ENDING = ".journal"

JournalLine = Mapping[str, Any]


class Journal:
    """One worker's own; its threads share it."""

    def __init__(self, directory: Path, worker: str) -> None:
        self._path, self._worker = directory / f"{worker}{_ENDING}", worker
        self._lock = threading.Lock()
        self._lines: list[JournalLine] = []
        self._written = 0
        self._taken: set[str] = set()

    # Writing.

    def record_begin(self, outage: Outage, begun: StartedCall, at: datetime) -> str:
        """Write that an offline call is about to be made; return its journal id, for `record_end`."""
        call = secrets.token_hex(16)
        blind = {"kind": "blind", "id": outage.id, "worker": self._worker, "since": outage.since.isoformat()}
        call_begin = {
            "kind": "began",
            "id": call,
            "outage": outage.id,
            "at": at.isoformat(),
            "begun": asdict(begun),
        }
        self._write([*([] if self.has_outage(outage.id) else [blind]), call_begin])
        return call

    def record_end(self, call: str, outcome: CallOutcome, at: datetime) -> None:
        """Write how the call with this journal id ended, and when."""
        self._write([{"kind": "ended", "id": call, "at": at.isoformat(), "outcome": _outcome_json(outcome)}])

    def record_outcome(self, call: int, outcome: CallOutcome, at: datetime) -> None:
        """Write the outcome of a call that the database knows, but whose end it could not take."""
        line = {"kind": "reported", "id": secrets.token_hex(16), "call": call}
        self._write([{**line, "at": at.isoformat(), "outcome": _outcome_json(outcome)}])

    def has_outage(self, outage: str) -> bool:
        """Has the journal any line about this outage?"""
        return any(line["kind"] == "blind" and line["id"] == outage for line in list(self._lines))

    def _write(self, lines: Iterable[JournalLine]) -> None:
        with self._lock:
            self._lines.extend(lines)
            self._flush()

    def _flush(self) -> None:
        try:
            _append(self._path, self._lines[self._written :])
            self._written = len(self._lines)
        except OSError as error:
            log.error("%s: cannot be written, kept in memory: %s", self._path, error.strerror)

    # Reading.

    @property
    def calls(self) -> set[int]:
        """The ends of recorded calls that the journal has and the database has not yet."""
        return {line["call"] for line in list(self._lines) if line["kind"] == "reported"}

    @property
    def empty(self) -> bool:
        """Whether every line has been imported into the database."""
        return not self._lines

    def page(self, over: Iterable[Outage]) -> tuple[JournalPage, set[str]]:
        """Return the records that can be imported now, and the ids of their lines; no call under way."""
        with self._lock:
            lines, done = list(self._lines), set(self._taken)
        open_calls = _unfinished_line(lines)
        counted = [line["outage"] for line in lines if line["kind"] == "began"]
        blind = [
            OfflineRecord(one.id, self._worker, one.since, one.until, counted.count(one.id)) for one in over
        ]
        ready = [line for line in lines if line["id"] not in open_calls | done]
        return _page(ready, [] if open_calls else blind), {line["id"] for line in ready}

    def forget(self, taken: set[str]) -> None:
        """Drop these lines, which are imported; delete the file once none is left."""
        with self._lock:
            self._taken |= taken
            if all(line["id"] in self._taken for line in self._lines):
                self._lines, self._written, self._taken = [], 0, set()
                self._path.unlink(missing_ok=True)


def journals_in(directory: Path) -> dict[str, Path]:
    """Every worker whose journal lies here, and where."""
    return {one.name.removesuffix(_ENDING): one for one in sorted(directory.glob(f"*{_ENDING}"))}


def read(path: Path) -> JournalPage:
    """What a dead worker left behind; a line that it could not finish is passed over."""
    lines: list[JournalLine] = []
    for number, text in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        try:
            line = json.loads(text)
            _page([line], [])
            lines.append(line)
        except (ValueError, KeyError, TypeError):
            log.warning("%s, line %d: is no line of a journal and is passed over", path, number)
    counted = [line["outage"] for line in lines if line["kind"] == "began"]
    return _page(lines, [_blind(line, counted) for line in lines if line["kind"] == "blind"])


def _blind(line: JournalLine, counted: list[str]) -> OfflineRecord:
    since = datetime.fromisoformat(line["since"])
    return OfflineRecord(line["id"], line["worker"], since, None, counted.count(line["id"]))


def _unfinished_line(lines: Iterable[JournalLine]) -> set[str]:
    open_calls = set[str]()
    for line in lines:
        if line["kind"] == "began":
            open_calls.add(line["id"])
        elif line["kind"] == "ended":
            open_calls.discard(line["id"])
    return open_calls


def _page(lines: Iterable[JournalLine], blind: list[OfflineRecord]) -> JournalPage:
    made: dict[str, OfflineCall] = {}
    ended: list[OfflineEnd] = []
    for line in lines:
        kind = line["kind"]
        if kind == "blind":
            continue
        at = datetime.fromisoformat(line["at"])
        if kind == "began":
            made[line["id"]] = OfflineCall(line["id"], _started_call(line["begun"]), at)
        elif kind == "reported":
            ended.append(OfflineEnd(int(line["call"]), _outcome(line["outcome"]), at))
        elif line["id"] in made:
            before = made[line["id"]]
            made[line["id"]] = OfflineCall(
                before.id, before.begun, before.started_at, _outcome(line["outcome"]), at
            )
        else:
            _outcome(line["outcome"])
    return JournalPage(list(made.values()), ended, blind)


def _started_call(stored: Mapping[str, Any]) -> StartedCall:
    return StartedCall(**{**stored, "action": Action(stored["action"]), "argv": tuple(stored["argv"])})


def _outcome(stored: Mapping[str, Any]) -> CallOutcome:
    return CallOutcome(**{**stored, "status": CallStatus(stored["status"])})


def _outcome_json(outcome: CallOutcome) -> dict[str, Any]:
    shorten = call_output.shorten_output
    return asdict(outcome) | {"stdout": shorten(outcome.stdout), "stderr": shorten(outcome.stderr)}


def _append(path: Path, lines: Iterable[JournalLine]) -> None:
    """Append and sync. Each record is on its own line, also after a torn line."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write("".join(f"\n{json.dumps(line)}" for line in lines).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
