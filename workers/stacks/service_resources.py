"""Read the published ports of a service, and its limits of memory and processors, from the compose files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def published_ports(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Where TCP ports of the service are published on its host, as `8080` or `127.0.0.1:8080`.

    Ranges and ports that the engine chooses are left out.
    """
    ports = [one for one in raw.get("ports") or [] if isinstance(one, Mapping)]
    fixed = [one for one in ports if str(one.get("published", "")).isdigit() and one.get("protocol") != "udp"]
    return tuple(dict.fromkeys(_address(one.get("host_ip", ""), str(one["published"])) for one in fixed))


def _address(host: str, port: str) -> str:
    return f"{host}:{port}" if host not in {"", "0.0.0.0", "::"} else port


def memory_limit(raw: Mapping[str, Any]) -> int:
    """Bytes that one container may use; 0 without a limit."""
    return int(_number(_limits(raw).get("memory") or raw.get("mem_limit")))


def cpu_limit(raw: Mapping[str, Any]) -> float:
    """Cores that one container may use; 0 without a limit."""
    return _number(_limits(raw).get("cpus") or raw.get("cpus"))


def _limits(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    limits = ((raw.get("deploy") or {}).get("resources") or {}).get("limits")
    return limits if isinstance(limits, Mapping) else {}


def _number(given: Any) -> float:
    """The number, which Compose prints as a number or as text; 0 for anything else."""
    try:
        return max(0.0, float(given or 0))
    except (TypeError, ValueError):
        return 0.0
