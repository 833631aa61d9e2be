"""Describe an audit entry in one or a few lines of the terminal."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.text import Text

from app.cli import output
from app.domain.enums import Event
from app.domain.event_sentences import EventSentences
from power_windows.payloads import Entry, Window

_COLOURS: dict[str, str] = {
    Event.WINDOW_OPENING: "yellow", Event.WINDOW_OPEN: "green", Event.SERVICE_READY: "green",
    Event.SERVICE_FAILING: "bold red", Event.WINDOW_STUCK: "bold red", Event.DRIFT_FOUND: "bold red",
    Event.REFUSED: "red", Event.STACK_REJECTED: "red", Event.CALL_FINISHED: "red", Event.CALL_LOST: "red",
    Event.WINDOW_CLOSING: "yellow", Event.WINDOW_CLOSED: "dim",
}  # fmt: skip


@dataclass
class EventText:
    """Describes entries as lines with a time, a window and a colour."""

    named: bool = False
    """Whether a line names its stack; needed where there are several."""
    sentences: EventSentences = field(default_factory=EventSentences)

    def know(self, windows: Iterable[Window]) -> None:
        """Add windows that existed before the first entry."""
        self.sentences.know(windows)

    def lines(self, entry: Entry) -> list[Text]:
        """An entry as lines, with the last log lines of a failure; empty for an unimportant entry."""
        sentences = self.sentences.describe(entry)
        if not sentences:
            return []
        line = Text(self._beginning(entry))
        line.append(output.harmless(sentences[0]), _COLOURS.get(entry["event"], ""))
        return [line, *(Text(f"    {output.harmless(one)}") for one in sentences[1:])]

    def wrapped_lines(self, entry: Entry) -> list[Text]:
        """The same; on a terminal a long sentence goes on below its beginning, not below the time."""
        lines = self.lines(entry)
        if not lines or not output.live():
            return lines
        return [*output.hang(lines[0], len(self._beginning(entry))), *lines[1:]]

    def _beginning(self, entry: Entry) -> str:
        """The time, the window and, where it is named, the stack."""
        window = entry["window"] or ""
        names = [window[:8].ljust(8) if output.live() else window or "-"]
        if self.named:
            names.append(entry["stack"] or "-")
        return "  ".join(map(output.harmless, [output.clock(entry["at"]), *names, ""]))
