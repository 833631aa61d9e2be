"""A caller whose wake token is bound to one service."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.system import System
from tests.web.caller import Caller
from tests.web.wake.wake_caller import bound


@pytest.fixture
def door(app: Flask, system: System) -> Caller:
    return bound(app, system)
