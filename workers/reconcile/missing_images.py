"""Notes which services could not start since the engine lacks their images, before a window asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from app.domain.calls import SeenContainers
from app.domain.enums import Power, Role
from app.domain.planning import StackSpec
from workers.engine.client import Engine
from workers.engine.negotiation import Unable
from workers.state.inspection_queue import InspectionRequest, Trigger

_TRIGGERS = frozenset({Trigger.START, Trigger.REQUEST, Trigger.IDLE, Trigger.RESYNC})
"""What asks for an inspection that also looks for images; the polls of a moving stack are too frequent."""


def asks_for_images(request: InspectionRequest | None) -> bool:
    """Does this inspection of a whole stack look for images too?"""
    return request is not None and request.services is None and not request.triggers.isdisjoint(_TRIGGERS)


def note_missing_images(
    engine: Engine, spec: StackSpec, seen: Mapping[str, SeenContainers]
) -> dict[str, SeenContainers]:
    """The same, with `image_missing` of the allowed services; unchanged where the engine does not answer."""
    try:
        return {name: _note(engine, spec, name, one) for name, one in seen.items()}
    except Unable:
        return dict(seen)


def _note(engine: Engine, spec: StackSpec, name: str, seen: SeenContainers) -> SeenContainers:
    service = spec.services.get(name)
    if service is None or service.role is not Role.ALLOWED or seen.power is Power.UNKNOWN:
        return seen
    return replace(seen, image_missing=not seen.alive and not engine.image(service.image))
