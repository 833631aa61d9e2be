"""A small stack for each row of docs/compose.md, by the row's name: every module of them, imported."""

from __future__ import annotations

from tests.engine import compose_containers, compose_resources, compose_services
from tests.engine.compose_rows import FEATURES, Feature

__all__ = ["FEATURES", "Feature", "compose_containers", "compose_resources", "compose_services"]
