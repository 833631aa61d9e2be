"""While the feature is off a worker has no task, no queue and no thread of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.standalone import children

HERE = Path(__file__).parents[3]
SCRIPT = """
from app import task_queue
from workers.broker import messages
from workers.celery import app
app.loader.import_default_modules()
print(task_queue.BUILD_INTENT in app.tasks, task_queue.BUILD_INTENT in messages.ARGUMENTS)
"""


@pytest.mark.integration
@pytest.mark.parametrize(("features", "printed"), [("none", "False False"), ("intents", "True True")])
def test_the_task_is_registered_where_the_feature_is_on(tmp_path: Path, features: str, printed: str) -> None:
    environ = {**os.environ, "POWER_FEATURES": features, "POWER_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=HERE, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == printed


@pytest.mark.parametrize(
    ("builds", "queues"), [(False, "power,power.gpu"), (True, "power,power.gpu,power.build.gpu")]
)
def test_the_queue_of_builds_is_consumed_where_the_feature_is_on(builds: bool, queues: str) -> None:
    command = children.worker_command("gpu", "power@gpu", builds=builds)
    assert command[command.index("-Q") + 1] == queues
