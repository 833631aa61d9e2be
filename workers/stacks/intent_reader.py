"""The intents of a stack against its compose files: what can be built, and what checks may look into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.domain import planning
from app.domain.planning import StackSpec
from app.settings.intent_toml import WrittenIntent
from app.settings.scenario_toml import as_document


def faults(
    path: Path, spec: StackSpec, intents: Mapping[str, WrittenIntent], services: Mapping[str, Any]
) -> Iterator[str]:
    """One line for each service that cannot be built and each check of a service that is not opened."""
    for name, written in intents.items():
        key = f"{path}: intents.{name}"
        for service in written.intent.build:
            if not services[service].get("build"):
                yield f"{key}.build: {service!r} has no `build` in the compose files"
        opened = planning.closure(spec, written.intent.services)
        for service, checks in sorted(written.scenario.checked_services().items()):
            if service not in opened:
                fault = f"{service!r} is not opened by this intent, which opens {', '.join(sorted(opened))}"
                yield f"{key}.checks.{checks[0]}: {fault}"


def identity(intents: Mapping[str, WrittenIntent]) -> list[Any]:
    """What the digest of a stack has of its intents; empty where it has none."""
    if not intents:
        return []
    return [
        {name: [one.intent.as_json(), as_document(one.scenario)] for name, one in sorted(intents.items())}
    ]
