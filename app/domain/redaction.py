"""Takes secrets out of text before it is stored, sent or logged.

Two kinds are found: values that are known, such as a service's variables named `*_PASSWORD`, and what
looks like a secret by its form. Redact before a text is cut, or half a secret is left at the cut.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "[redacted]"
_SHORTEST = 6
"""Characters of a value that is looked for: a shorter one would be found in ordinary words and numbers."""
_NAMES = r"(?:PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|(?:API|ACCESS|PRIVATE|SECRET|SIGNING|ENCRYPTION)_?KEY)"
_NAMED = re.compile(rf"(?:^|_){_NAMES}(?:_FILE)?$|_(?:KEY|PASS|PWD|CREDENTIALS?)$", re.IGNORECASE)
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Of an address: its password, or the user where there is no password.
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@?#]{0,256}:)[^\s/@]{1,1024}@", re.IGNORECASE),
        rf"\1{HIDDEN}@",
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,30}://)[^\s:/@?#]{8,1024}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (
        re.compile(
            r"\b((?:Proxy-)?Authorization|X-[\w-]{0,40}(?:Token|Key))(\"?\s*[:=]\s*\"?)(?!Bearer\b|Basic\b)[^\s\",;]{6,}",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # AWS, GitHub, GitLab, Slack, Standard Webhooks, and what is signed as a JSON Web Token.
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b"), HIDDEN),
    (
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|whsec_|sk-|sk_live_)[A-Za-z0-9_/+=-]{10,}"
        ),
        HIDDEN,
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"), HIDDEN),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    # NAME=value and NAME: value, quoted or not, of a name that says what it is.
    (
        re.compile(
            rf"\b([\w.-]{{0,40}}(?:{_NAMES}|_KEY))([\"']?\s*[:=]\s*)(?:\"[^\"\n]+\"|'[^'\n]+'|(?!\[redacted\])[^\s\"',;&]+)",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
)


def redact(text: str, values: Iterable[str] = ()) -> str:
    """The text without these values, however they are written, and without what looks like a secret."""
    for value in sorted(_forms(values), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def is_secret(name: str) -> bool:
    """Does the name of a variable say that its value is a secret?"""
    return bool(_NAMED.search(name))


def values_of(variables: Mapping[str, object]) -> frozenset[str]:
    """The secrets among variables, by their names and by passwords within addresses."""
    values = {str(value) for name, value in variables.items() if value is not None and is_secret(name)}
    values |= {secret for value in variables.values() for secret in _passwords(str(value))}
    return frozenset(value for value in values if len(value) >= _SHORTEST)


def parts_of(address: str) -> frozenset[str]:
    """An address that is a secret itself, with those of its parts that would give it away."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return frozenset({address})
    rest = address.partition("://")[2]
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    named = [value for _name, value in parse_qsl(parts.query)]
    login = [one for one in (parts.username, parts.password) if one]
    candidates = [address, rest, path, parts.query, parts.fragment, *parts.path.split("/"), *named, *login]
    return frozenset(one for one in candidates if len(one) >= _SHORTEST)


def _passwords(value: str) -> Iterator[str]:
    for password in re.findall(r"://[^\s:/@?#]*:([^\s/@]+)@", value):
        yield from {password, unquote(password)}


def _forms(values: Iterable[str]) -> set[str]:
    """Each value as it is, as a part of an address, of HTML and of JSON, and its lines one by one."""
    forms = set[str]()
    for value in values:
        lines = [line.strip() for line in value.splitlines()]
        for one in {value, value.strip(), *lines}:
            escaped = one.replace("\\", "\\\\").replace('"', '\\"')
            forms |= {one, quote(one, safe=""), quote(one), unquote(one), html.escape(one), escaped}
    return {one for one in forms if len(one) >= _SHORTEST}
