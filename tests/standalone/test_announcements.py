"""The modes that a start announces are those of inspected stacks."""

from __future__ import annotations

import pytest

from app.standalone.announcements import is_inspected


@pytest.mark.parametrize(
    ("role", "power", "expected"),
    [
        ("core", "unknown", False),
        ("core", "off", True),
        ("core", "on", True),
        ("allowed", "unknown", True),
    ],
)
def test_a_stack_is_announced_once_its_core_is_inspected(role: str, power: str, expected: bool) -> None:
    stack = {"name": "lab", "services": [{"name": "web", "role": role, "power": power}]}

    assert is_inspected([stack]) is expected
