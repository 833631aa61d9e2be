"""Report rejected files on the terminal in full, once for each edit, from the worker's log."""

from __future__ import annotations

from app.domain import load_results
from app.domain.load_results import POWER_TOML, LoadOutcome, LoadResult
from app.standalone.terminal import Terminal

_THEN = {
    LoadOutcome.REJECTED: "nothing can be opened on it:",
    LoadOutcome.UNCHANGED: "an edit is not in force:",
}


class RejectedFiles:
    """Reads the worker's log lines about files, and reports each once.

    Until `begin` they are only noted: faults at the start are in the list of stacks.
    """

    def __init__(self, voice: Terminal) -> None:
        self._voice = voice
        self._begun = False
        self._told: dict[str, tuple[str, set[str]]] = {}
        """By subject, the digest of the last edit that was refused, and its faults."""

    def begin(self) -> None:
        """Report rejected files of the worker's log from now on."""
        self._begun = True

    def take(self, lines: list[str]) -> list[str]:
        """The lines that are about something else."""
        rest = []
        for line in lines:
            if (one := load_results.parse(line)) is None:
                rest.append(line)
            elif one.verdict is LoadOutcome.SERVED:
                self._note_served(one)
            else:
                self._note_refused(one)
        return rest

    def _note_served(self, one: LoadResult) -> None:
        mended = [self._told.pop(subject, None) for subject in (one.subject, POWER_TOML)]
        if any(mended) and self._begun:
            self._voice.good(f"{one.subject} {one.verdict}: {one.detail}")

    def _note_refused(self, one: LoadResult) -> None:
        digest, details = self._told.get(one.subject, ("", set()))
        if digest != one.digest or not details:
            details = set()
            self._told[one.subject] = one.digest, details
            if self._begun:
                self._voice.bad(f"{one.subject} {one.verdict}, {_THEN[one.verdict]}")
        if self._begun and one.detail not in details:
            self._voice.fault(one.detail)
        details.add(one.detail)
