"""One line for each fault that Pydantic finds in power.toml: the file, the key, and what would be right."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from app.domain import names, scenarios
from app.domain.features import FEATURE_NAMES
from app.settings import namespace_toml
from app.settings.intent_toml import IntentToml
from app.settings.mqtt_settings import MqttToml
from app.settings.power_toml import NoticeToml, ServiceToml, StackToml, WholeToml


def is_a_cause(fault: Any) -> bool:
    """Not a cause is that `default_ttl` cannot follow from a `max_ttl` that is at fault itself."""
    return bool(fault["type"] != "default_factory_not_called")


def fault_line(path: Path, fault: Any) -> str:
    """The key, and of a list the entry itself: its place in the list is in no file."""
    parts = [part for part in fault["loc"] if part != "[key]"]
    named = namespace_toml.key_parts(parts)
    key = ".".join(str(part) for part in named if not isinstance(part, int)) or "stacks"
    entry = f"{fault['input']!r}: " if parts and isinstance(parts[-1], int) else ""
    message = _known_wording(fault, parts) or fault["msg"].removeprefix("Value error, ")
    if message.startswith(entry.removesuffix(": ")):
        entry = ""
    return f"{path}: {key}: {entry}{message}{_proposal(fault, parts)}"


def _known_wording(fault: Any, parts: list[Any]) -> str | None:
    if fault["type"] == "extra_forbidden" and parts[0] == "features":
        return "is no feature"
    if fault["type"] == "extra_forbidden" and parts[0] == "intents":
        return "is no key of an intent"
    return _KNOWN.get(fault["type"])


_KNOWN = {"missing": "is missing", "extra_forbidden": "is not a setting"}


def _proposal(fault: Any, parts: list[Any]) -> str:
    """Return the valid value for a fault, if it is known."""
    if fault["type"] == "missing" and parts[-1] == "project":
        name = names.as_project(str(parts[-2]).replace("/", "-"))
        return f'; write project = "{name}"' if name else ""
    if fault["type"] == "extra_forbidden" and parts[0] == "features":
        return scenarios.suggestion(str(parts[-1]), FEATURE_NAMES)
    return _known_keys(fault, parts) if fault["type"] == "extra_forbidden" else ""


def _known_keys(fault: Any, parts: list[Any]) -> str:
    """The similar key, else the known keys; for a table, how a name with a dot is written."""
    proposal = scenarios.suggestion(str(parts[-1]), _keys_beside(parts))
    if isinstance(fault["input"], dict) and len(parts) > 1 and "did you mean" not in proposal:
        return f'; a name with a dot is quoted: [{parts[0]}."{".".join(str(part) for part in parts[1:])}"]'
    return proposal


def _keys_beside(parts: list[Any]) -> Collection[str]:
    """The keys of the table to which the last of these parts belongs."""
    match parts:
        case ["stacks", _, _]:
            return StackToml.model_fields
        case ["stacks", _, "services", _, _]:
            return ServiceToml.model_fields
        case ["notices", _, _]:
            return NoticeToml.model_fields
        case ["intents", _, _]:
            return IntentToml.model_fields
        case ["mqtt", _]:
            return MqttToml.model_fields
        case _:
            return WholeToml.model_fields
