"""What kind of line a log's line is, by its words: information, advice, the program's end, a client's error.

The rules name causes; these patterns say how much a line that a rule matches can explain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FRAME = re.compile(
    r"^\s*(at\s+\S+.*|File \".*|\.\.\. \d+ more|~*\^+~*|goroutine \d+ .*|\[signal .*|Node\.js v\d.*"
    r"|\t/.*:\d+.*|[\w./-]+\.[\w.*()]+\(.*\)|created by .*|runtime stack:|\d+: 0x[0-9a-f]+ .*"
    r"|exit status \d+|requireStack: \[.*|- /.*|code: '.*|errno: -?\d+,?"
    r"|syscall: '.*|\}|\]|\{|throw err;?|node:internal.*|npm (ERR!|error) A complete log.*"
    r"|npm (ERR!|error) .*\.log)\s*$"
)
_NUMBER = re.compile(r"\d+")
_PROPERTIES = re.compile(r"\s+at \S.* \{\s*$")
_MILD = re.compile(
    r"(?<![A-Z]=)\b(INFO|DEBUG|TRACE|NOTICE)\b|^\s*\[?(info|debug|trace)\b|\blevel=\"?(info|debug|trace)\b"
    r"|\[(?i:info|debug|notice|note|system|inf|dbg|vrb)\]|^I(?:\d{4})? |\"s\":\s*\"[ID]\d?\""
    r"|\"level\":\s*(?:\"(info|debug|trace)\"|[123]0\b)|\"(GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) \S+ HTTP/"
    r"|\b(GET|POST|PUT|DELETE|PATCH) /\S*.*\b[1-5]\d\d\b|^\s*(?:✓|✔|√|ok \d+ |PASS(?:ED)?\b)"
    r"|^\s*(?:INSERT INTO|SELECT|UPDATE|DELETE FROM) |\bSTATEMENT:  |^\s+--?[a-z]"
)
_OF_CLIENT = re.compile(
    r"\bFAIL LOGIN\b|"
    r", client: \S+, (?:server|request)|\"c\":\s*\"(?:ACCESS|NETWORK)\"|TLS handshake error from"
    r"|\[(?!1\])\d+\] (?:ERROR: |FATAL:  (?:password|role|no pg_hba|database \"|sorry|remaining))"
    r"|\[(?:Note|Warning)\] .*(?:Access denied|Aborted connection|could not be resolved)"
    r"|\bstatus=(?:deferred|bounced)\b|\buser ['\"]?[\w.@-]+['\"]?: "
    r"|\bfrom (?:client )?\[?(?:\d{1,3}\.){3}\d|\bremote error\b"
)
_WARNING = re.compile(
    r"\b(WARN|WARNING|WRN)\b|^\s*\[?(warn|warning)\b|\b(?:level|lvl)=\"?warn|\[W\] "
    r"|\"level\":\s*(?:\"warn|40\b)|\"@l\":\s*\"warn"
    r"|\"s\":\s*\"W\"|\w+Warning: |^W\d{4} ",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"\b(?:ERROR|FATAL|CRITICAL)\b|\"level\":\s*(?:\"error|50\b)|\b(?:level|lvl)=\"?(?:error|eror|crit|fatal)\b"
    r"|\[ERR\]|\[E\] |^\s*\[?(?:error|fatal|err)\b[\]:]|^[EF]\d{4} "
)
_CONSEQUENCE = re.compile(
    r"^\s|^[^\w\[\"]|^Tasks: TOP|\b(?:must|fail\w*|err\w*|\w*error\w*|can(?:no|')t|could(?: not|n't)|unable"
    r"|not|no|never|none|invalid|denied"
    r"|refused|missing|fatal|panic\w*|exception|kill\w*|timed?.?out|unreachable|note|hint|detail|context|tip|see|usage|for"
    r"|warn\w*|you|your|this|please|run|try|code|caused|reason|cause|background|https?|trace|stack|thrown|from|at|in|by|than)\b",
    re.IGNORECASE,
)
_CLEANING = re.compile(
    r"clos(?:e|ing)|destroy|releas|clean(?:ing|up)|error starting|to display|dispos", re.IGNORECASE
)
_REPEATED_WORK = re.compile(
    r"(?!error|fatal|failed|failure|could|cannot|unable|npm|warn|panic|line)[a-z]{3,}(?= )"
)
_SURVIVED = re.compile(
    r"\b(continuing|ignor(?:ed|ing)|skipp(?:ed|ing)|fall(?:ing)? ?back|using defaults?|non-?fatal|recovered"
    r"|defaults? (?:apply|used)|disabling|optional|instead|(?:try(?:ing)?|again) (?:again )?in \d"
    r"|trying (?:port )?(?:\d|next|another|the next)|deprecat\w+"
    r"|will retry|retry(?:ing)?\b(?! (?:limit|count)))\b|, using \w+$"
    r"|\battempt (\d+) ?(?:of|/) ?(?!\1\b)\d",
    re.IGNORECASE,
)
_WENT_ON = re.compile(
    r"(?<!not )(?<!never )\b(?:listening (?:on|at)|started(?! with)|ready|connect(?:ed|ion established)"
    r"|serving|up and running|success(?:ful(?:ly)?)?|succeeded|completed)\b"
    r"|\b(?:connection|connected|database|db|redis|server|it) (?:is )?(?:now )?"
    r"(?:ok|up|alive|available|reachable|healthy)\b$",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\?\s*$|make sure|\b(?:please|ensure|verify|hint|check|consider|identify)\b", re.IGNORECASE
)
_OWN_END = re.compile(
    r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b(?: \([^)]*\))?(?:: .*)?$"
    r"|^(?:Uncaught |Unhandled )?[A-Z]\w*Error: |^Exception in thread |^\*\* \(\w+(?:\.\w+)*\) |^Error: "
    r"|^Unhandled [Ee]xception\b"
    r"|\bpanic: |\bFATAL\b|\bfatal error\b|\bSegmentation fault\b|\bCRITICAL\b|\bPANIC\b"
    r"|\blevel=\"?(?:fatal|panic)\b|\"level\":\s*(?:\"(?:fatal|panic)\"|60\b)|\[FTL\]|\"@l\":\s*\"Fatal"
    r"|^thread '.*' panicked at"
    r"|\b[Aa]ssertion failed\b|terminated by signal (?:4|8|11)\b"
)
_GENERIC_END = re.compile(
    r"giving up|exiting|aborting|shutting down|shutdown|start(?:up)? failed"
    r"|(?:cannot|can't|could not|failed to|unable to) (?:start|initiali[sz]e|boot|launch|run)"
    r"|terminat|exit(?:ed)? (?:code|status|with)|(?:max(?:imum)?|too many) (?:retries|attempts)"
    r"|SystemExit|process exited|crash|child process|worker failed to boot|lifespan"
    r"|Application (?:run|startup)|ELIFECYCLE|fatal error encountered|bailing|quitting|shut down"
    r"|stopp(?:ed|ing)"
    r"|could not create any|create the Java Virtual Machine|fatal exception has occurred"
    r"|(?:RuntimeError|panic): (?:failed|could not|cannot|unable)",
    re.IGNORECASE,
)
_CHAINED = re.compile(
    r"During handling of the above|direct cause of the following|^Caused by: |^\s*\[cause\]:"
)


def is_frame(line: str) -> bool:
    """Is it a part of a traceback, besides the sentence that counts?"""
    return _FRAME.match(line) is not None


def opens_properties(line: str) -> bool:
    """Is it the last frame of an error, after which its properties follow in braces?"""
    return _PROPERTIES.match(line) is not None


def is_mild(line: str) -> bool:
    """Was it written as information, or by a server about one of its clients?"""
    return bool(_MILD.search(line) or _OF_CLIENT.search(line))


def is_warning(line: str) -> bool:
    """Was it written as a warning?"""
    return _WARNING.search(line) is not None


def is_error(line: str) -> bool:
    """Was it written as an error?"""
    return _ERROR.search(line) is not None and not _GENERIC_END.search(line)


def is_information(line: str) -> bool:
    """Was it written as information of a program that goes on?"""
    return bool(_MILD.search(line)) and not (_GENERIC_END.search(line) or _CLEANING.search(line))


def only_ends(line: str) -> bool:
    """Does it say that the program ends, without a reason?"""
    return bool(_GENERIC_END.search(line)) and not _OWN_END.search(line)


def is_own_statement(line: str, earlier: Sequence[str]) -> bool:
    """Is a last line about something else than a failure before it?

    A line that was among `earlier` ones, but for its numbers, is the beginning of another run.
    """
    if _CONSEQUENCE.search(line) or _GENERIC_END.search(line):
        return False
    words = _NUMBER.sub("", line)
    return all(_NUMBER.sub("", one) != words for one in earlier)


def kind_of_work(line: str) -> str:
    """The verb with which a line about one piece of work begins (`fetch`, `indexing`); empty without one."""
    match = _REPEATED_WORK.match(line)
    return match[0] if match else ""


def shows_survival(line: str) -> bool:
    """Does the line itself say that the program goes on, or tries again?"""
    return _SURVIVED.search(line) is not None


def shows_progress(line: str) -> bool:
    """Does a program that writes this work, so that it has survived what it wrote before?"""
    return bool(_WENT_ON.search(line)) and not (_ADVICE.search(line) or _GENERIC_END.search(line))


def states_end(line: str) -> bool:
    """Does it give a reason of its own for the program's end?"""
    return bool(_OWN_END.search(line)) and not _GENERIC_END.search(line)


def ends_program(line: str) -> bool:
    """Is it a line with which a program ends, with or without a reason?"""
    return bool(_OWN_END.search(line) or _GENERIC_END.search(line))


def is_chained(line: str) -> bool:
    """Does it join an exception to the one that caused it?"""
    return _CHAINED.search(line) is not None
