"""The images that a Dockerfile builds upon: of `FROM`, and of `COPY --from` and `RUN --mount=from`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_ARG = re.compile(r"ARG\s+(\w+)(?:=(\S*))?", re.IGNORECASE)
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_OTHERS = re.compile(r"(?:COPY|ADD|RUN)\s.*?--(?:from=|mount=\S*?from=)([^\s,]+)", re.IGNORECASE)
_PLACE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


class UnknownBase(Exception):
    """The name of a base image has a variable without a value; the message is that name."""


def base_images(dockerfile: str, arguments: Mapping[str, str | None]) -> list[str]:
    """The names of the images, each once, in their order; stages of the file and `scratch` are none.

    `arguments` are build arguments, which replace the defaults of `ARG` lines. Raises UnknownBase.
    """
    values: dict[str, str] = {}
    stages, names = {"scratch"}, dict[str, None]()
    for line in _instructions(dockerfile):
        if match := _ARG.match(line):
            given = arguments.get(match[1])
            values[match[1]] = given if given is not None else (match[2] or "").strip("\"'")
        elif match := _FROM.match(line):
            name = _substitute(match[1], values)
            names |= {} if name.lower() in stages else {name: None}
            stages |= {match[2].lower()} if match[2] else set()
        elif match := _OTHERS.match(line):
            name = _substitute(match[1], values)
            names |= {} if name.lower() in stages or name.isdigit() else {name: None}
    return list(names)


def _instructions(dockerfile: str) -> Iterator[str]:
    """The lines without comments, with continued lines in one."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    yield from (line.strip() for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines())


def _substitute(name: str, values: Mapping[str, str]) -> str:
    """The name with its variables replaced; raises UnknownBase."""
    replaced = _PLACE.sub(lambda place: values.get(place[1] or place[3]) or place[2] or place[0], name)
    if "$" in replaced:
        raise UnknownBase(name)
    return replaced.strip("\"'")
