"""JSON bodies as the API answers them: windows, stacks, services, health, calls and entries."""

from typing import Any


def window(identifier: str = "3f2a9c1d00", **facts: Any) -> dict[str, Any]:
    """A window that is opening, except for what the test says."""
    return {
        "id": identifier,
        "stack": "vx11",
        "services": ["switch"],
        "state": "opening",
        "status": None,
        "actor": "ada",
        "reason": None,
        "created_at": "2026-03-01T10:00:00.000Z",
        "opened_at": None,
        "deadline": "2026-03-01T10:30:00.000Z",
        "ttl_sec": 1800,
        "ttl_remaining_sec": 1793.2,
        "closed_at": None,
        "close_reason": None,
        "closed_by": None,
        "close_detail": None,
        "stuck": False,
        "health": {"switch": health("starting")},
        "results": [],
    } | facts


def health(power: str, *, ready: bool = False, detail: str = "") -> dict[str, Any]:
    return {"power": power, "ready": ready, "detail": detail}


ON = health("on", ready=True)
OFF = health("off")


def call(service: str, action: str = "up", status: str = "ok", **facts: Any) -> dict[str, Any]:
    return {
        "service": service,
        "action": action,
        "status": status,
        "returncode": 0 if status == "ok" else 1,
        "elapsed_ms": 412,
        "stdout": "",
        "stderr": "",
        "argv": ["docker", "compose", "-p", "vx11", action, "--", service],
        "timestamp": "2026-03-01T10:00:01.000Z",
    } | facts


def service(name: str, power: str = "off", **facts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "role": "allowed",
        "power": power,
        "ready": power == "on",
        "detail": "",
        "holders": [],
        "time_left_sec": None,
        "last_call": None,
    } | facts


def stack(name: str = "vx11", mode: str = "SOLO_CORE", services: Any = ()) -> dict[str, Any]:
    return {"name": name, "mode": mode, "node": "local", "services": list(services)}


def entry(seq: int, event: str = "window.open", **facts: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": f"2026-03-01T10:00:{seq:02}.000Z",
        "event": event,
        "actor": "ada",
        "stack": "vx11",
        "window": None,
        "service": None,
        "facts": {},
        "prev": "",
        "hash": "",
    } | facts
