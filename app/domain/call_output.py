"""What a compose call printed: how much of it is kept, and which part of it is the reason.

Compose writes its progress, its warnings about any service of the file and the engine's
error to one stream, the error last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

KEPT = 500
"""Characters kept of what a call printed on one stream."""
_GAP = "\n[…]\n"
_PROGRESS = re.compile(
    r"\s*(Network|Volume|Container|Image|Service|Config|Secret|Build) \S+ "
    r"(Creat|Start|Stopp|Recreat|Remov|Runn|Wait|Healthy|Kill|Pull|Build|Exit|Skipp|Exists|Warning)\w*\b.*"
)
_WARNING = re.compile(r'\s*time="[^"]*" level=(warning|info|debug)\b.*')
_NO_IMAGE = re.compile(r"No such image: (\S+)|image (\S+) not found", re.IGNORECASE)
_PORT = re.compile(r"(?:Bind for|listen tcp4?|exposing port TCP) \S*?:(\d+)\b", re.IGNORECASE)
_TAKEN = ("port is already allocated", "address already in use")
_NO_GPU = re.compile(
    r"could not select device driver .*gpu|unknown or invalid runtime name: nvidia", re.IGNORECASE
)


def kept(said: str) -> str:
    """The output, or its beginning and its end where it is longer than `KEPT`: the reason comes last."""
    if len(said) <= KEPT:
        return said
    beginning = (KEPT - len(_GAP)) // 3
    return said[:beginning] + _GAP + said[beginning + len(_GAP) - KEPT :]


def reason(said: str) -> str:
    """The lines that are neither progress nor a warning; all of it where there are no others."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if not (_PROGRESS.fullmatch(line) or _WARNING.fullmatch(line))]
    return "\n".join(dict.fromkeys(reversed(errors or lines)))


def advice(said: str, project: str, service: str) -> str:
    """The command that mends what a start failed of; empty where that is not known."""
    return next(iter(_advice(said, project, service)), "")


def _advice(said: str, project: str, service: str) -> Iterable[str]:
    if image := _NO_IMAGE.search(said):
        name = image[1] or image[2]
        yield f"image {name} is not on this machine: docker compose -p {project} pull {service} (or build)"
    if any(sign in said for sign in _TAKEN):
        yield _taken(_PORT.search(said))
    if _NO_GPU.search(said):
        configure = "nvidia-ctk runtime configure --runtime=docker"
        yield f"this engine has no GPU runtime: {configure}, then restart Docker"


def _taken(port: re.Match[str] | None) -> str:
    if port is None:
        return "its port is taken; see by what: docker ps; ss -ltnp"
    look = f"docker ps --filter publish={port[1]}; ss -ltnp sport = :{port[1]}"
    return f"port {port[1]} is taken; see by what: {look}"
