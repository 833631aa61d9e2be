"""How much a line of a log explains the end of its program.

A program that fails prints the reason in its last lines. Earlier lines, informational lines and recovered
errors weigh less. A weight only ever lowers a rule's confidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.domain.diagnosis import line_kinds, quotations
from app.domain.diagnosis.evidence import Evidence

MOST_LINES = 80
"""Lines of a log that are looked at."""
_LAST = 12
LONGEST_LINE = 400
"""Characters of a line that are looked at."""
_BY_SIGNAL = frozenset({130, 132, 136, 137, 138, 139, 143})
"""Exit codes of a program that a signal ended, which it did not send to itself."""


def significant(lines: Sequence[str]) -> list[int]:
    """The places of the lines that say something.

    Left out are blank lines, frames of tracebacks, source code, and the properties of an error that Node.js
    prints in braces after the frames.
    """
    places: list[int] = []
    in_traceback = in_properties = False
    for place, line in enumerate(lines):
        in_properties = line.rstrip() != "}" if in_properties else line_kinds.opens_properties(line)
        if in_properties:
            continue
        if line.startswith("Traceback ("):
            in_traceback = True
            continue
        if in_traceback and line[:1] in {" ", "\t", ""}:
            continue
        in_traceback = False
        if line.strip() and not line_kinds.is_frame(line):
            places.append(place)
    return places


def start_of_end(lines: Sequence[str]) -> int:
    """The place of the last line that says more than that the program ends; what follows only ends it."""
    places = significant(lines)
    return next((one for one in reversed(places) if not line_kinds.only_ends(lines[one])), 0)


def weight(evidence: Evidence, place: int, pattern: re.Pattern[str]) -> float:
    """From 0 to 1: how much the line at `place` says about why the service fails now."""
    lines = evidence.log.lines
    if _ended_itself(evidence, place):
        by_end = _by_place(lines, place, pattern) * _by_exit_code(evidence, place, pattern)
    else:
        by_end = _while_running(lines, pattern)
    by_line = _by_level(lines[place], _times(lines, pattern)) * _by_quotation(lines[place], pattern)
    return by_end * by_line * _by_age(evidence, place)


def _ended_itself(evidence: Evidence, place: int) -> bool:
    """Did the program end by its own decision? A signal ends one that has survived what it wrote."""
    if not evidence.ended or evidence.container.exit_code not in _BY_SIGNAL:
        return evidence.ended
    return any(line_kinds.ends_program(line) for line in evidence.log.lines[place:])


def _by_place(lines: Sequence[str], place: int, pattern: re.Pattern[str]) -> float:
    """What the program wrote last explains its end. Work that it did later shows that it survived."""
    after = [lines[one] for one in significant(lines) if one > place]
    others = [line for line in after if not pattern.search(line)]
    chained = any(line_kinds.is_chained(line) for line in lines[place:])
    other_end = not chained and any(line_kinds.states_end(line) for line in others)
    distance = next((most for at, most in ((3, 1.0), (8, 0.9), (14, 0.7)) if len(others) <= at), 0.4)
    # What ends a program on one of its outputs may be logged before earlier lines of the other output.
    may_go_on = not (chained or line_kinds.states_end(lines[place]))
    has_own_end = may_go_on and any(line_kinds.is_own_statement(line, lines[:place]) for line in others[-1:])
    return distance * (0.5 if other_end or has_own_end or _went_on(lines[place], others) else 1.0)


def _went_on(line: str, others: Sequence[str]) -> bool:
    """Do the lines after it show progress, more work of the same kind, or, after a warning, an error?"""
    work, warned = line_kinds.kind_of_work(line), line_kinds.is_warning(line)
    informed = next((at for at, one in enumerate(others) if line_kinds.is_information(one)), len(others))
    return any(line_kinds.is_error(one) for one in others[informed:]) or any(
        line_kinds.shows_progress(one)
        or (bool(work) and line_kinds.kind_of_work(one) == work)
        or (warned and line_kinds.is_error(one))
        for one in others
    )


def _by_exit_code(evidence: Evidence, place: int, pattern: re.Pattern[str]) -> float:
    """A program that ends with 0 says that it did its work, unless its last line is the one that speaks."""
    if evidence.container.exit_code != 0:
        return 1.0
    lines = evidence.log.lines
    others = [one for one in significant(lines) if one > place and not pattern.search(lines[one])]
    return 0.5 if others else 1.0


def _while_running(lines: Sequence[str], pattern: re.Pattern[str]) -> float:
    """A program that runs on has survived what it wrote, unless it writes it over and over."""
    return {0: 0.0, 1: 0.4, 2: 0.7}.get(_times(lines, pattern), 0.85)


def _times(lines: Sequence[str], pattern: re.Pattern[str]) -> int:
    """How many of the last lines say it."""
    last = [lines[place] for place in significant(lines)][-_LAST:]
    return sum(1 for line in last if pattern.search(line))


def _by_level(line: str, times: int) -> float:
    """A line that occurs three times or more is no recovered fault, whatever its text."""
    if line_kinds.is_mild(line):
        return 0.5
    warning = 0.75 if line_kinds.is_warning(line) else 1.0
    return warning * (0.5 if line_kinds.shows_survival(line) and times < 3 else 1.0)


def _by_quotation(line: str, pattern: re.Pattern[str]) -> float:
    """A line that quotes the words of an error reports none."""
    match = pattern.search(line)
    return 0.5 if match and quotations.is_quotation(line, *match.span()) else 1.0


def _by_age(evidence: Evidence, place: int) -> float:
    """A line long before the end was no cause of it; the end itself may take some seconds."""
    ages = evidence.log.ages
    if not ages or place >= len(ages):
        return 1.0
    last = min(ages)
    since = ages[place] - (last if evidence.ended else 0.0)
    return next((most for at, most in ((5.0, 1.0), (30.0, 0.85), (120.0, 0.7)) if since <= at), 0.5)
