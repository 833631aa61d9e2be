"""Features that are off unless the operator switches them on.

A feature that is off has no route, no page, no task, no thread and no row. Each field's name is the
key in `[features]` of power.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Features:
    """Which of the features that are off by default are on."""

    namespaces: bool = False
    """Stacks, tokens, windows and audit views belong to a namespace, and see nothing of another."""
    intents: bool = False
    """`power want NAME`: named wishes that are built, opened and checked."""

    def states(self) -> dict[str, bool]:
        """Whether each feature is on, by its name, in the order of the documentation."""
        return {name: getattr(self, name) for name in FEATURE_NAMES}


FEATURE_NAMES = tuple(field.name for field in fields(Features))
"""The keys of `[features]`."""


def how_to_switch_on(name: str) -> str:
    """What to write in power.toml, and what to do then, so that a feature is on."""
    return f"write `{name} = true` below [features] in power.toml and restart the service"
