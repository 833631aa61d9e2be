"""The addresses of database and broker: how they are built, and what is wrong with one that was given.

What parses them later misreads a slip of the pen in its own way: it goes to another host or
another file, or waits for ever. So they are checked once, where the environment is read. Each
fault is a line that says what would be right, and holds no password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

DATABASES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
BROKERS = ("redis", "rediss", "redis+socket", "amqp", "amqps", "memory")
_DATABASE_SHAPE = "postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME or sqlite:////absolute/path"
_BROKER_SHAPE = "redis://:PASSWORD@HOST:6379/0"
_SOCKET_SHAPE = "redis+socket://:PASSWORD@/absolute/path?virtual_host=0"
_OTHER_NAMES = {
    "postgres": "postgresql",
    "psql": "postgresql",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "redis+socket",
    "rediss+sock": "redis+socket",
}
_ENCODED = {"#": "%23", "/": "%2F", "?": "%3F", "@": "%40", "[": "%5B", "]": "%5D"}
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
_END_OF_HOST = re.compile(r"[/?#]")
_HIGHEST_PORT = 65_535


def of_file(path: Path) -> str:
    """The address of an SQLite database in a file; its path may have any characters."""
    from urllib.parse import quote

    return f"sqlite:///{quote(str(path))}"


def file_of(url: str) -> Path | None:
    """The file of an SQLite database; None for a database server."""
    # Its dialects are of no use to who only reads the environment.
    from sqlalchemy import make_url

    given = make_url(url)
    return Path(given.database or "") if given.get_backend_name() == "sqlite" else None


def database_faults(url: str) -> list[str]:
    """Why this cannot be the address of the database, one line each."""
    if faults := list(_general_faults(url, DATABASES, _DATABASE_SHAPE)):
        return faults
    scheme, _, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return list(_file_faults(rest))
    # Its parser takes all else in a password as it stands.
    return list(_server_faults(rest, "@", _DATABASE_SHAPE))


def broker_faults(url: str) -> list[str]:
    """Why this cannot be the address of the broker, one line each. Several may be given, separated by `;`."""
    parts = url.split(";")
    if len(parts) > 1 and not all("://" in part for part in parts):
        return ["it holds a raw `;`, which separates several addresses; in a password write it as %3B"]
    faults = (fault for part in parts for fault in _broker_faults(part))
    return list(dict.fromkeys(faults))


def _broker_faults(url: str) -> Iterator[str]:
    if url.startswith("sentinel"):
        yield f"Redis Sentinel is not supported; name the primary itself: {_BROKER_SHAPE}"
        return
    general = list(_general_faults(url, BROKERS, _BROKER_SHAPE))
    yield from general
    scheme, _, rest = url.partition("://")
    if general or scheme == "memory":
        return
    if scheme == "redis+socket":
        yield from _socket_faults(rest)
    elif server := list(_server_faults(rest, "#/?[]", _BROKER_SHAPE)):
        yield from server
    elif scheme.startswith("redis"):
        yield from _number_faults(_after_host(rest).partition("?")[0].strip("/"), _BROKER_SHAPE)


def _general_faults(url: str, schemes: Sequence[str], shape: str) -> Iterator[str]:
    scheme, sign, _ = url.partition("://")
    if _UNPRINTABLE.search(url):
        yield f"it holds a space or a character that cannot be printed; write {shape}, others as %XX"
    elif not sign:
        yield f"it is no address; write {shape}"
    elif scheme not in schemes:
        guess = _OTHER_NAMES.get(scheme) or next(iter(difflib.get_close_matches(scheme, schemes, 1)), None)
        proposal = f"did you mean {guess}://?" if guess else f"write {shape}"
        yield f"{scheme}:// is none of {', '.join(f'{name}://' for name in schemes)}; {proposal}"


def _server_faults(rest: str, forbidden: str, shape: str) -> Iterator[str]:
    """`rest` is what follows the scheme: USER:PASSWORD@HOST:PORT/NAME."""
    login, sign, _ = rest.rpartition("@")
    if raw := [character for character in forbidden if character in login]:
        replacements = ", ".join(f"`{character}` as {_ENCODED[character]}" for character in raw)
        yield (
            f"user or password hold a character that means something else in an address; write {replacements}"
        )
        return
    if "#" in (rest if not sign else rest[len(login) :]):
        yield f"it holds a raw `#`; in an address write %23, as in {shape}"
        return
    host = _END_OF_HOST.split(rest[len(login) + len(sign) :])[0]
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        yield f"the port is a number from 1 to {_HIGHEST_PORT}, not {port[:40]!r}; write {shape}"


def _after_host(rest: str) -> str:
    """The path and the query."""
    place = rest.rpartition("@")[2]
    return place[len(_END_OF_HOST.split(place)[0]) :]


def _socket_faults(rest: str) -> Iterator[str]:
    if "#" in rest:
        yield f"it holds a raw `#`; in an address write %23, as in {_SOCKET_SHAPE}"
        return
    place, _, query = rest.rpartition("@")[2].partition("?")
    if not place.startswith("/") or place == "/":
        yield f"it names no socket by its absolute path; write {_SOCKET_SHAPE}"
    number = dict(part.partition("=")[::2] for part in query.split("&")).get("virtual_host", "")
    yield from _number_faults(number, _SOCKET_SHAPE)


def _number_faults(number: str, shape: str) -> Iterator[str]:
    if number and not (number.isascii() and number.isdecimal()):
        yield f"the database is a number, not {number[:40]!r}; write {shape}"


def _file_faults(rest: str) -> Iterator[str]:
    """`rest` is what follows `sqlite://`."""
    host, slash, after = rest.partition("/")
    path, question, query = after.partition("?")
    if host:
        yield f"a file has no host such as {host[:40]!r}; write sqlite:////absolute/path (four slashes)"
    elif not slash or path in {"", ":memory:"}:
        yield "in memory each process would have a database of its own; write sqlite:////absolute/path"
    elif not path.startswith(("/", "%2F", "file:")):
        yield (
            f"sqlite:///{path} is relative, and each process would take it from a directory of its own; "
            "write sqlite:////absolute/path (four slashes)"
        )
    elif question and not all("=" in part for part in query.split("&")):
        yield "it holds a raw `?`; in a path write it as %3F"
