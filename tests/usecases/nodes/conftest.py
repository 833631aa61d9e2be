"""A stack that is served on engine E1."""

from __future__ import annotations

import pytest

from tests.system import System
from tests.usecases.nodes.publishing import publish


@pytest.fixture
def placed(system: System) -> System:
    """Its stack is served on engine E1."""
    publish(system, system.spec)
    return system
