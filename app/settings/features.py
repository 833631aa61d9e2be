"""Which features are on in this process: by `POWER_FEATURES`, else by `[features]` of power.toml.

A web server in a container has no power.toml, because only workers read stacks; `POWER_FEATURES` tells
it what they have. Faults of power.toml are reported where the whole file is read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from app.domain import scenarios
from app.domain.features import FEATURE_NAMES, Features


def feature_faults(given: str) -> Iterator[str]:
    """What is wrong with POWER_FEATURES, one line for each name that is no feature."""
    for name in _names(given):
        if name not in FEATURE_NAMES:
            yield f"{name!r} is no feature{scenarios.suggestion(name, FEATURE_NAMES)}"


def load_features(given: str, config: Path) -> Features:
    """The features that POWER_FEATURES names, separated by commas; if it is empty, those of power.toml.

    A file that is missing or is no TOML, and a key that is not `true`, switch nothing on.
    """
    if given:
        return Features(**dict.fromkeys(_names(given), True))
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8-sig")).get("features")
    except (OSError, ValueError, RecursionError):
        return Features()
    switches = table if isinstance(table, dict) else {}
    return Features(**{name: switches.get(name) is True for name in FEATURE_NAMES})


def _names(given: str) -> list[str]:
    return [name for part in given.split(",") if (name := part.strip()) and name != "none"]
