"""Durations in the compose files: how long a service may take to stop and to become ready."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain import durations
from app.domain.enums import Role
from app.domain.healthchecks import Healthcheck
from app.domain.planning import StackSpec
from app.settings import StackToml

GRACE, STOP_MARGIN = 10.0, 10.0
"""Compose's own stop_grace_period, and what a stop call is given on top of a service's grace."""


def overlong_durations(key: str, spec: StackSpec, services: Mapping[str, Any]) -> Iterator[str]:
    """Durations of the compose files that are over the bound of one call, of services that are listed."""
    for name, raw in services.items():
        if spec.services[name].role is Role.NONE:
            continue
        for setting, given in _durations(raw).items():
            try:
                durations.at_most(durations.LONGEST_CALL, _seconds(given))
            except ValueError as error:
                yield f"{key}.files: service {name}: {setting}: {error}"


def _durations(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the compose files say of how long this service may take, by the name of the setting."""
    check = raw.get("healthcheck") or {}
    checks = ("start_period", "start_interval", "interval", "timeout")
    checked = {f"healthcheck.{name}": check.get(name) for name in checks}
    return {"stop_grace_period": raw.get("stop_grace_period")} | checked


def short_stop_timeouts(key: str, stack: StackToml, services: Mapping[str, Any]) -> Iterator[str]:
    """Return a fault for each stop_timeout of power.toml that does not exceed the stop_grace_period."""
    for service, tuned in stack.services.items():
        grace = grace_of(services[service])
        if tuned.stop_timeout is not None and tuned.stop_timeout <= grace:
            yield (
                f"{key}.services.{service}.stop_timeout: {tuned.stop_timeout:g} s "
                f"must exceed its stop_grace_period, {grace:g} s"
            )


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def grace_of(raw: Mapping[str, Any]) -> float:
    """A service's stop_grace_period in seconds."""
    given = raw.get("stop_grace_period")
    return _seconds(given) if given else GRACE


def healthcheck_of(raw: Mapping[str, Any]) -> Healthcheck | None:
    """What the compose files say of a service's healthcheck; None where they say nothing or disable it.

    What they leave out may be in the image: the engine tells, once there is a container.
    """
    check = raw.get("healthcheck") or {}
    if not check or check.get("disable") or check.get("test") == ["NONE"]:
        return None
    times = (_seconds(check.get(name)) for name in ("start_period", "interval", "timeout"))
    return Healthcheck(int(check.get("retries") or 0), *times)


def _seconds(given: Any) -> float:
    """A duration as Compose writes it, `1m30s`; nothing is 0."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)", str(given or ""))
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)
