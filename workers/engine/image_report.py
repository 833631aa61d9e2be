"""Prints as JSON which of the named images the engine has, and whether each has a healthcheck of its own.

    python -m workers.engine.image_report IMAGE...

Exits with 1 and the reason on standard error where the engine does not answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from docker.errors import NullResource

from workers.engine import negotiation
from workers.engine.client import Engine
from workers.engine.negotiation import EngineRefused, EngineUnsupported


def healthchecks(engine: Engine, images: Iterable[str]) -> dict[str, bool]:
    """Of each image that the engine has, whether it has a healthcheck. Raises Unable."""
    has_healthcheck: dict[str, bool] = {}
    for image in images:
        try:
            details = _inspect(engine, image)
        except EngineUnsupported:
            raise
        except (EngineRefused, NullResource):
            continue
        has_healthcheck[image] = bool((details.get("Config") or {}).get("Healthcheck"))
    return has_healthcheck


def _inspect(engine: Engine, image: str) -> Mapping[str, Any]:
    details: Mapping[str, Any] = engine.ask(
        lambda client: client.inspect_image(image)  # type: ignore[no-untyped-call]
    )
    return details


def main() -> None:
    """Print the report of the images that the arguments name."""
    try:
        print(json.dumps(healthchecks(Engine(timeout=10), sys.argv[1:])))
    except negotiation.Unable as error:
        sys.exit(negotiation.why(error))


if __name__ == "__main__":
    main()
