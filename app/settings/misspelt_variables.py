"""Finds environment variables that look like a setting with a spelling mistake, which nothing would read."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

KNOWN_VARIABLES = frozenset(
    {"POWER_AWAIT_NODE", "POWER_AWAY", "POWER_BASE", "POWER_BROKER_BEAT_PASSWORD",
     "POWER_BROKER_FLOWER_PASSWORD", "POWER_BROKER_PASSWORD", "POWER_BROKER_URL",
     "POWER_BROKER_WEB_PASSWORD", "POWER_BROKER_WORKER_PASSWORD", "POWER_CLOSING_CALLS",
     "POWER_COMPOSE", "POWER_CONFIG", "POWER_DATABASE_FAULT", "POWER_DATABASE_PASSWORD",
     "POWER_DATABASE_URL", "POWER_DATA_DIR", "POWER_ENV_FILE", "POWER_FEATURES",
     "POWER_FLOWER_PASSWORD", "POWER_FLOWER_PORT", "POWER_IMAGE", "POWER_MQTT_DISCOVERY_PREFIX",
     "POWER_MQTT_PASSWORD", "POWER_MQTT_TOPIC", "POWER_MQTT_TTL", "POWER_MQTT_URL",
     "POWER_MQTT_USERNAME", "POWER_NODE", "POWER_OPENING_CALLS", "POWER_PORT", "POWER_POSTGRES_IMAGE",
     "POWER_PUBLIC_URL", "POWER_PULSE", "POWER_REASON", "POWER_REDIS_IMAGE", "POWER_SOCKET",
     "POWER_SOCKET_GID", "POWER_STACKS", "POWER_STANDALONE", "POWER_STARTED_AT", "POWER_TOKEN",
     "POWER_TOML", "POWER_TRUSTED_PROXIES", "POWER_TTL", "POWER_URL"}
)  # fmt: skip
"""The variables that this program, its deployment and its examples read."""
_NEAR = 0.8
"""How alike two names are, of 1: POWER_LEVEL of another program is near to none."""


def misspelt_variables(environ: Mapping[str, str], config: Path) -> list[str]:
    """A sentence for each variable that is near to a setting, and is neither one nor named in power.toml."""
    return [
        f"{name} is not a setting and is not read; did you mean {near[0]}?"
        for name in sorted(environ)
        if name.startswith("POWER_") and name not in KNOWN_VARIABLES
        if (near := difflib.get_close_matches(name, sorted(KNOWN_VARIABLES), n=1, cutoff=_NEAR))
        if name not in _words(config)
    ]


def _words(config: Path) -> set[str]:
    """The names of variables in power.toml, which takes secrets from variables of any name."""
    try:
        return set(re.findall(r"POWER_\w+", config.read_text(errors="replace")))
    except OSError:
        return set()


@cache
def log_misspelt_variables(config: Path) -> None:
    """Log them once in this process, unless it is a child of a standalone, which has printed them."""
    if "POWER_STANDALONE" in os.environ:
        return
    for line in misspelt_variables(os.environ, config):
        log.warning("%s", line)
