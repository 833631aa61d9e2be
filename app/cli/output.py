"""Print text for people on a terminal, and plain lines for programs in a pipe.

On a terminal tables are cut to its width and coloured. In a pipe nothing is cut or coloured, and times stay
as the API sent them. Control characters in the text of services and people are removed first, so that a log
line cannot control the reader's terminal.
"""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console, Group
from rich.text import Text

from app.cli.failures import tell
from app.domain import durations, untrusted_text

GAP = 2
_INDENT = 4
_LEAST_WRAPPED = 24
"""Columns below which the last column of a table is put below its rows."""
_STYLES = {
    "on": "green", "ready": "green", "ok": "green", "open": "green", "OPEN": "green", "done": "green",
    "starting": "yellow", "stopping": "yellow", "opening": "yellow", "closing": "yellow", "CLOSING": "yellow",
    "waiting": "yellow", "partial": "yellow", "running": "yellow", "timeout": "red", "lost": "red",
    "forced": "yellow", "failed": "bold red", "REJECTED": "bold red",
    "failing": "bold red", "fail": "bold red", "DRIFT": "bold red", "stuck": "bold red", "broken": "bold red",
    "unknown": "magenta", "off": "dim", "closed": "dim", "-": "dim", "none": "dim",
}  # fmt: skip


_zone: tzinfo | None = None
"""The time zone of printed times; None is the local one."""


def console() -> Console:
    """A Rich console that interprets no markup."""
    return Console(highlight=False, markup=False, emoji=False)


def live() -> bool:
    """True where standard output is a terminal that can be drawn on."""
    out = console()
    return out.is_terminal and not out.is_dumb_terminal


def say(*lines: str | Text) -> None:
    """Print lines on standard output, coloured on a terminal only."""
    for line in lines:
        if live():
            console().print(_without_control_characters(line))
        else:
            click.echo(_without_control_characters(line).plain, color=False)


def _without_control_characters(line: str | Text) -> Text:
    """One line without control characters: the last filter before the terminal."""
    if isinstance(line, str):
        return Text(untrusted_text.harmless(line))
    cleaned = line.copy()
    # The text keeps its length, so that the styles stay in place.
    cleaned.plain = untrusted_text.harmless(cleaned.plain)
    return cleaned


def note(line: str) -> None:
    """Print a message on standard error, apart from the output."""
    tell(line, sys.stderr)


def dump(reply: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(untrusted_text.as_json(reply, indent=2))


def dump_line(reply: Any) -> None:
    """Print a value as JSON on one line."""
    click.echo(untrusted_text.as_json(reply))


def harmless(text: object) -> str:
    """The text without control characters."""
    return untrusted_text.harmless(text)


def word(text: str) -> Text:
    """A word of the API in its colour."""
    return Text(harmless(text), style=style(text))


def style(text: str) -> str:
    """Return the Rich style of an enum value of the API; empty if it has none."""
    return _STYLES.get(text, "")


@dataclass
class TextTable:
    """Rows under headings; `loose` has the least width of each column that may shrink.

    With `whole`, the last column is never cut: it is wrapped, or put on lines of its own below each row.
    """

    heads: Sequence[str]
    loose: Mapping[int, int] = field(default_factory=dict)
    whole: bool = False
    rows: list[list[Text]] = field(default_factory=list)

    def add(self, *cells: str | Text) -> None:
        """Add a row; text cells are stripped of control characters."""
        self.rows.append([cell if isinstance(cell, Text) else Text(harmless(cell)) for cell in cells])

    def lines(self, width: int | None) -> list[Text]:
        """The table as lines of at most `width` columns; at its full width where that is None."""
        table = [[Text(head, style="bold") for head in self.heads], *self.rows]
        widths = [max(cell_len(row[at].plain) for row in table) for at in range(len(self.heads))]
        if width is not None and self.whole:
            room = width - sum(widths[:-1]) - GAP * (len(widths) - 1)
            if room < min(widths[-1], _LEAST_WRAPPED):
                return self._lines_with_last_below(width)
            return [
                line for row in table for line in _wrapped_lines(row, [*widths[:-1], min(widths[-1], room)])
            ]
        if width is not None:
            widths = _fit(widths, self.loose, width - GAP * (len(widths) - 1))
        return [_line(row, widths) for row in table]

    def _lines_with_last_below(self, width: int) -> list[Text]:
        """Each row without its last cell, and that cell on indented lines below it."""
        loose = {at: least for at, least in self.loose.items() if at < len(self.heads) - 1}
        table = TextTable(self.heads[:-1], loose, rows=[row[:-1] for row in self.rows])
        head, *lines = table.lines(width)
        below = [[_indent(part) for part in _wrap(row[-1], width - _INDENT)] for row in self.rows]
        return [head, *(one for line, more in zip(lines, below, strict=True) for one in [line, *more])]

    def show(self) -> None:
        """Print the table, cut at the width of the terminal if there is one."""
        say(*self.lines(console().width if live() else None))


def _fit(widths: list[int], loose: Mapping[int, int], room: int) -> list[int]:
    """Widths that fit in `room`: the widest loose column shrinks first, then the other columns."""
    widths = list(widths)
    while sum(widths) > room:
        columns = [at for at, least in loose.items() if widths[at] > least] or [
            at for at, size in enumerate(widths) if size > 3
        ]
        if not columns:
            break
        widths[max(columns, key=lambda at: widths[at])] -= 1
    return widths


def hang(line: Text, indent: int) -> list[Text]:
    """The line, broken between words at the width of the terminal; further lines begin at column `indent`."""
    width = console().width
    if cell_len(line.plain) <= width or indent + _LEAST_WRAPPED > width:
        return [line]
    first, *rest = _wrap(line[indent:], width - indent)
    return [Text.assemble(line[:indent], first), *(Text(" " * indent).append_text(part) for part in rest)]


def _wrapped_lines(cells: Sequence[Text], widths: Sequence[int]) -> list[Text]:
    """The row, with the rest of its last cell on further lines in the same column."""
    parts = _wrap(cells[-1], widths[-1]) or [Text()]
    blank = [Text()] * (len(cells) - 1)
    return [_line([*(blank if at else cells[:-1]), part], widths) for at, part in enumerate(parts)]


def _wrap(cell: Text, width: int) -> list[Text]:
    """The cell as lines of at most so many columns, broken between words; empty for an empty cell."""
    lines = list(cell.wrap(console(), width, overflow="fold")) if cell.plain.strip() else []
    for line in lines:
        line.rstrip()
    return lines


def _indent(line: Text) -> Text:
    return Text(" " * _INDENT).append_text(line)


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        fitted = cell.copy()
        fitted.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(fitted).append(" " * GAP)
    line.rstrip()
    return line


def group(lines: Iterable[Text]) -> Group:
    """The lines as one Rich renderable, none of them wrapped."""
    return Group(*(_one_line(line) for line in lines))


def _one_line(line: Text) -> Text:
    cleaned = _without_control_characters(line)
    cleaned.no_wrap, cleaned.overflow = True, "ellipsis"
    return cleaned


def seconds(left: float | None) -> str:
    """A duration: `29m 53s`, in a pipe without the space; `-` for None."""
    if left is None:
        return "-"
    text = durations.show(left)
    return text if live() else text.replace(" ", "")


def clock(moment: str | None) -> str:
    """A time with its zone: `14:05:09 CET`, with its day unless that is today; in a pipe as the API sent it.

    The zone is the local one, or UTC after `show_utc(True)`.
    """
    if moment is None:
        return "-"
    if not live():
        return moment
    local = datetime.fromisoformat(moment).astimezone(_zone)
    today = local.date() == datetime.now(local.tzinfo).date()
    return f"{local:%H:%M:%S %Z}" if today else f"{local:%Y-%m-%d %H:%M:%S %Z}"


def show_utc(utc: bool) -> None:
    """Choose between UTC and local time for `clock`."""
    global _zone  # noqa: PLW0603
    _zone = UTC if utc else None


def command(argv: Iterable[str]) -> str:
    """A command line quoted for a shell, without control characters."""
    return harmless(shlex.join(argv))


def short(identifiers: Iterable[str]) -> dict[str, str]:
    """Each id with its shortest unique beginning, 8 characters at least; in a pipe whole."""
    ids = set(identifiers)
    if not live():
        return {one: one for one in ids}
    size = next(size for size in range(8, 65) if len({one[:size] for one in ids}) == len(ids))
    return {one: one[:size] for one in ids}


def replace_unprintable() -> None:
    """Print a question mark for each character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
