"""Lines that quote the words of an error in place of reporting one: prose, code, or data.

A program that fails writes the error's words where its message is: after a colon, a level or an error's
name, or in the field of a structured line that holds the message. Words that stand in quotation marks
inside a sentence, or that a sentence goes on to explain, are about an error that is not the program's own.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|(?<!\w)'(?:[^'\\]|\\.)*?'(?!\w)|(?<!`)`[^`]+`(?!`)"
    r"|“[^”]*”|«[^»]*»|»[^«]*«|„[^“”]*[“”]|「[^」]*」"
)
_KEY = re.compile(r"[\"']?([\w.@-]+)[\"']?\s*[:=]\s*$")
_MESSAGE_KEYS = re.compile(
    r"^@?(?:\w+\.)*(?:e|ex|exc|err\w*|error\w*|msg|message|mt?|x|log|reason|cause|details?|exception"
    r"|failure|fatal|stack\w*|trace\w*|textpayload|stderr|output|what|panic)$",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://\S+")
_OPENS_DETAIL = re.compile(
    r"(?:[(\[{]|[(\[{].*,|\bpanicked at|\bvalue:|\d|>>>|kind:|ERROR|[Ee]rror"
    r"|with (?:message|reason|status))\s*$"
)
_EXPLAINED_AFTER = re.compile(
    r"^[\"'”»`」)]*(?:\s+(?:means?|happens?|occurs?|errors?(?! code)|problems?|issues?)\b"
    r"|\s+is (?:shown|explained|due)\b|[,.;:]?\s+(?:please help|what|why|start the|check the|mount the)\b"
    r"|\s*(?:->|→|=>)\s|\s*\.\.\.\s*(?:ok|passed)\b|\s*[=:]\s*\d+\s*(?:[,;]|$))",
    re.IGNORECASE,
)
_EXPLAINED_BEFORE = re.compile(
    r"(?:^|[\]:>]\s*)(?:tip|faq|q|a|question|answer|example|lesson|did you know)\s*[:#]"
    r"|(?:^|[\]:>.]\s)\s*(?:if|when|whenever|in case)\b[^:]*$|\bif (?:you|the|it|this)\b[^:]*$"
    r"|\b(?:says?|said|wrote|writes|asks?|asked|quot(?:es?|ed|ing)|titled|entitled|translat(?:e|ing))\b"
    r"|\b(?:expecting|simulat\w+|pretend\w*|mock(?:s|ed|ing))\b|\bhow to (?:fix|solve|avoid|cure)\b|\bwhy\b"
    r"|\b(?:last|previous|earlier) (?:run|start|attempt)\b|(?:^|\s)(?:rescued|RESOLVED)\b"
    r"|^\w[\w.-]*-\d+\s+\| "
    r"|\bthe (?:error|message|words?|phrase) [\"'`“«]",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^\s*[-+]?\s*(?:raise|throw|return|assert|print(?:ln|f)?|echo|except|catch|if|elif|case|def|function"
    r"|log(?:ger)?\.\w+)\b\s*[\w.]*\s*[({'\"\[]|^\+ (?:echo|printf)\b"
)


def is_quotation(line: str, begin: int, end: int) -> bool:
    """Does the line quote its part from `begin` to `end`, in place of reporting it as its own error?"""
    before, after = line[:begin], line[end:]
    if _EXPLAINED_BEFORE.search(before) or _EXPLAINED_AFTER.search(after) or _CODE.search(line):
        return True
    if any(one.start() < begin < one.end() for one in _URL.finditer(line)):
        return True
    is_structured = line.lstrip().startswith("{")
    return any(
        one.start() <= begin < one.end()
        and (is_structured or end <= one.end())
        and not _is_message(line, one)
        for one in _QUOTED.finditer(line)
    )


def _is_message(line: str, quoted: re.Match[str]) -> bool:
    """Is the quoted text the message of the line: a field that holds one, or a detail of an error?"""
    before, after = line[: quoted.start()].rstrip(), line[quoted.end() :]
    if key := _KEY.search(before):
        is_last = re.search(r"\w", after) is None
        return bool(_MESSAGE_KEYS.match(key[1])) or (is_last and not line.lstrip().startswith("{"))
    return bool(_OPENS_DETAIL.search(before)) or not before.strip()
