"""How much a line of a log explains the end of its program.

A program that fails prints the reason in its last lines. Earlier lines, informational lines and recovered
errors weigh less. A weight only ever lowers a rule's confidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.domain.diagnosis.evidence import Evidence

MOST_LINES = 80
"""Lines of a log that are looked at."""
_LAST = 12
LONGEST_LINE = 400
"""Characters of a line that are looked at."""
_FRAME = re.compile(
    r"^\s*(at\s+\S+.*|File \".*|\.\.\. \d+ more|~*\^+~*|goroutine \d+ .*|\[signal .*|Node\.js v\d.*"
    r"|\t/.*:\d+.*|main\.\S+\(.*\)|exit status \d+|requireStack: \[.*|- /.*|code: '.*|errno: -?\d+,?"
    r"|syscall: '.*|\}|\]|\{|throw err;?|node:internal.*|npm (ERR!|error) A complete log.*"
    r"|npm (ERR!|error) .*\.log)\s*$"
)
"""What a traceback consists of, besides the sentence that counts."""
_MILD = re.compile(
    r"\b(INFO|DEBUG|TRACE|NOTICE)\b|^\s*\[?(info|debug|trace)\b|\blevel=\"?(info|debug|trace)\b"
    r"|\"level\":\s*\"(info|debug|trace)\"|\"(GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) \S+ HTTP/"
    r"|\b(GET|POST|PUT|DELETE|PATCH) /\S*.*\b[1-5]\d\d\b"
)
_WARNING = re.compile(
    r"\b(WARN|WARNING)\b|^\s*\[?(warn|warning)\b|\blevel=\"?warn|\"level\":\s*\"warn", re.IGNORECASE
)
_SURVIVED = re.compile(
    r"\b(continuing|ignor(?:ed|ing)|skipp(?:ed|ing)|fall(?:ing)? ?back|using defaults?|non-?fatal|recovered"
    r"|will retry|retry(?:ing)?\b(?! (?:limit|count)))\b",
    re.IGNORECASE,
)
_OWN_END = re.compile(
    r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b(?:: .*)?$"
    r"|^(?:Uncaught |Unhandled )?[A-Z]\w*Error: "
    r"|\bpanic: |\bFATAL\b|\bfatal error\b|\bSegmentation fault\b|\bCRITICAL\b",
)
_GENERIC_END = re.compile(
    r"giving up|exiting|aborting|shutting down|shutdown|start(?:up)? failed"
    r"|(?:cannot|can't|could not|failed to|unable to) (?:start|initiali[sz]e|boot|launch|run)"
    r"|terminat|exit(?:ed)? (?:code|status|with)|(?:max(?:imum)?|too many) (?:retries|attempts)"
    r"|SystemExit|process exited|crash|child process|worker failed to boot|lifespan"
    r"|Application (?:run|startup)|ELIFECYCLE|fatal error encountered|bailing|quitting|stopp(?:ed|ing)"
    r"|could not create any"
    r"|RuntimeError: (?:failed|could not|cannot|unable)",
    re.IGNORECASE,
)
_CHAINED = re.compile(
    r"During handling of the above|direct cause of the following|^Caused by: |^\s*\[cause\]:"
)


def significant(lines: Sequence[str]) -> list[int]:
    """The places of the lines that say something: no blank lines, frames of tracebacks or source code."""
    places: list[int] = []
    in_traceback = False
    for place, line in enumerate(lines):
        if line.startswith("Traceback ("):
            in_traceback = True
            continue
        if in_traceback and line[:1] in {" ", "\t", ""}:
            continue
        in_traceback = False
        if line.strip() and not _FRAME.match(line):
            places.append(place)
    return places


def weight(evidence: Evidence, place: int, pattern: re.Pattern[str]) -> float:
    """From 0 to 1: how much the line at `place` says about why the service fails now."""
    lines = evidence.log.lines
    by_end = _by_place(lines, place, pattern) if evidence.ended else _while_running(lines, pattern)
    return by_end * _by_level(lines[place], _times(lines, pattern)) * _by_age(evidence, place)


def _by_place(lines: Sequence[str], place: int, pattern: re.Pattern[str]) -> float:
    after = [one for one in significant(lines) if one > place]
    later = [lines[one] for one in after]
    others = [line for line in later if not pattern.search(line)]
    chained = any(_CHAINED.search(line) for line in lines[place:])
    other_end = not chained and any(
        _OWN_END.search(line) and not _GENERIC_END.search(line) for line in others
    )
    distance = next((most for at, most in ((3, 1.0), (8, 0.9), (14, 0.7)) if len(others) <= at), 0.4)
    return distance * (0.5 if other_end else 1.0)


def _while_running(lines: Sequence[str], pattern: re.Pattern[str]) -> float:
    """A program that runs on has survived what it wrote, unless it writes it over and over."""
    return {0: 0.0, 1: 0.4, 2: 0.7}.get(_times(lines, pattern), 0.85)


def _times(lines: Sequence[str], pattern: re.Pattern[str]) -> int:
    """How many of the last lines say it."""
    last = [lines[place] for place in significant(lines)][-_LAST:]
    return sum(1 for line in last if pattern.search(line))


def _by_level(line: str, times: int) -> float:
    """A line that occurs three times or more is no recovered fault, even if it says so."""
    if _MILD.search(line):
        return 0.5
    warning = 0.75 if _WARNING.search(line) else 1.0
    return warning * (0.5 if _SURVIVED.search(line) and times < 3 else 1.0)


def _by_age(evidence: Evidence, place: int) -> float:
    """A line long before the end was no cause of it; the end itself may take some seconds."""
    ages = evidence.log.ages
    if not ages or place >= len(ages):
        return 1.0
    last = min(ages)
    since = ages[place] - (last if evidence.ended else 0.0)
    return next((most for at, most in ((5.0, 1.0), (30.0, 0.85), (120.0, 0.7)) if since <= at), 0.5)
