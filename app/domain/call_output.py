"""What a compose call printed: how much of it is kept, and which part of it is the reason.

Compose writes its progress, its warnings about any service of the file and the engine's
error to one stream, the error last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_CHARACTERS = 500
"""Characters kept of what a call printed on one stream."""
_GAP = "\n[…]\n"
_PROGRESS = re.compile(
    r"\s*(Network|Volume|Container|Image|Service|Config|Secret|Build) \S+ "
    r"(Creat|Start|Stopp|Recreat|Remov|Runn|Wait|Healthy|Kill|Pull|Build|Exit|Skipp|Exists|Warning)\w*\b.*"
)
_STEP = re.compile(r"(service:\S+|(Network|Volume|Container|Image|Service) \S+ +Error) +(?=Error|\w)")
"""What Compose prints before an error that it repeats."""
_WARNING = re.compile(r'\s*time="[^"]*" level=(warning|info|debug)\b.*')
_NO_IMAGE = re.compile(r"No such image: (\S+)|image (\S+) not found", re.IGNORECASE)
_PORT = re.compile(r"(?:Bind for|listen tcp4?|exposing port TCP) \S*?:(\d+)\b", re.IGNORECASE)
_TAKEN = ("port is already allocated", "address already in use")
_NAME = re.compile(r'container name "/?([\w.-]+)" is already in use')
_NO_POOL = "non-overlapping IPv4 address pool"
_NO_NETWORK = re.compile(r"network (\S+) declared as external, but could not be found")
_NO_VOLUME = re.compile(r'external volume "([^"\s]+)" not found')
_NO_GPU = re.compile(
    r"could not select device driver .*gpu|unknown or invalid runtime name: nvidia", re.IGNORECASE
)


def shorten_output(output: str) -> str:
    """The output, or its beginning and its end where it is longer than `KEPT`: the reason comes last."""
    if len(output) <= MOST_CHARACTERS:
        return output
    beginning = (MOST_CHARACTERS - len(_GAP)) // 3
    return output[:beginning] + _GAP + output[beginning + len(_GAP) - MOST_CHARACTERS :]


def reason(output: str) -> str:
    """The lines that are neither progress nor a warning, each once; all of it where there are no others."""
    lines = [_STEP.sub("", line.strip()) for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if not (_PROGRESS.fullmatch(line) or _WARNING.fullmatch(line))]
    causes = list(dict.fromkeys(reversed([line for line in errors if line != _GAP.strip()] or lines)))
    # Where the middle was cut out, what is left around it is a part of the same line told elsewhere.
    return "\n".join(line for line in causes if not any(line in other for other in causes if other != line))


def missing_image(image: str, project: str, service: str) -> str:
    """That the engine lacks the image of a service, with the command that mends it, in one line."""
    return f"image {image} is not on this machine: docker compose -p {project} pull {service} (or build)"


def advice(output: str, project: str, service: str) -> str:
    """The command that mends what a start failed of; empty where that is not known."""
    return next(iter(_advice(output, project, service)), "")


def _advice(output: str, project: str, service: str) -> Iterable[str]:
    if image := _NO_IMAGE.search(output):
        yield missing_image(image[1] or image[2], project, service)
    if any(sign in output for sign in _TAKEN):
        yield _explain_taken_port(_PORT.search(output))
    if name := _NAME.search(output):
        yield f"another container is called {name[1]}; see whose: docker ps -a --filter name=^/{name[1]}$"
    if _NO_POOL in output:
        yield "the engine has no address range left for a network: docker network prune"
    if network := _NO_NETWORK.search(output):
        yield f"the external network {network[1]} is missing: docker network create {network[1]}"
    if volume := _NO_VOLUME.search(output):
        yield f"the external volume {volume[1]} is missing: docker volume create {volume[1]}"
    if _NO_GPU.search(output):
        configure = "nvidia-ctk runtime configure --runtime=docker"
        yield f"this engine has no GPU runtime: {configure}, then restart Docker"


def _explain_taken_port(port: re.Match[str] | None) -> str:
    if port is None:
        return "its port is taken; see by what: docker ps; ss -ltnp"
    look = f"docker ps --filter publish={port[1]}; ss -ltnp sport = :{port[1]}"
    return f"port {port[1]} is taken; see by what: {look}"
