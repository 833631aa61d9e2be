"""What is kept of a stack's compose files, so that a start never reads what has been refused since.

Compose's JSON rendering lacks the top-level `models`, gains an empty `placement`, and names
the environment variables of secrets and configs without their values. All three are put
right, and the copy is read back: what does not come out the same is refused by name.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from workers.engine import compose
from workers.engine.compose import Command, ComposeFiles

Output = Callable[[Command], str]
"""Runs a command and returns what it prints; raises Rejected where it fails."""
ComposeConfig = dict[str, Any]
_SET = "is set: "


class Unset(Exception):
    """A secret or config takes its value from variables that are not set; `faults` has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def complete(place: ComposeFiles, config: ComposeConfig, output: Output) -> ComposeConfig:
    """The configuration as it has to be kept."""
    services = {name: _without_placement(raw) for name, raw in config["services"].items()}
    completed = {**config, "services": services}
    if any(raw.get("models") for raw in services.values()):
        completed["models"] = yaml.safe_load(output(compose.config_as_yaml(place))).get("models") or {}
    return completed


def _without_placement(raw: ComposeConfig) -> ComposeConfig:
    deploy = raw.get("deploy")
    if not deploy or deploy.get("placement") != {}:
        return raw
    return {**raw, "deploy": {key: value for key, value in deploy.items() if key != "placement"}}


def variables(place: ComposeFiles, config: ComposeConfig, directory: Path, output: Output) -> dict[str, str]:
    """What secrets and configs take from the environment of the files; raises Unset.

    Compose fills in a file that names the variables as it fills in the others.
    """
    users = dict(_users(config))
    if not users:
        return {}
    with _asking(directory, users.values()) as file:
        asked = json.loads(output(compose.config(replace(place, files=(*place.files, str(file))))))
    answers: Mapping[str, str] = asked["services"][compose.SHARED_SERVICE]["environment"]
    unset = [
        f"{user}: variable {name} is not set" for user, name in users.items() if not answers[_SET + name]
    ]
    if unset:
        raise Unset(unset)
    # Compose writes a dollar sign as two.
    return {name: answers[name].replace("$$", "$") for name in sorted(set(users.values()))}


def _users(config: ComposeConfig) -> Iterator[tuple[str, str]]:
    for kind in ("secrets", "configs"):
        for name, raw in (config.get(kind) or {}).items():
            if raw.get("environment"):
                yield f"{kind[:-1]} {name}", str(raw["environment"])


@contextmanager
def _asking(directory: Path, names: Any) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = directory / f"{secrets.token_hex(8)}.values.json"
    values = {name: f"${{{name}-}}" for name in names} | {_SET + name: f"${{{name}+1}}" for name in names}
    service = {"image": "scratch", "scale": 0, "environment": values}
    try:
        file.write_text(json.dumps({"services": {compose.SHARED_SERVICE: service}}))
        yield file
    finally:
        file.unlink(missing_ok=True)


def differences(hashes: Mapping[str, str], read_back: Mapping[str, str]) -> list[str]:
    """The services that do not come out the same when the kept copy is read."""
    return sorted(name for name, one in hashes.items() if read_back.get(name) != one)
