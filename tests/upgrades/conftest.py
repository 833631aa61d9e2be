"""Real containers and real processes: what is upgraded, restarted and restored here is the whole thing."""

from __future__ import annotations

from tests.engine.conftest import _the_image, stack

__all__ = ["_the_image", "stack"]
