"""The task of the feature `intents`. Celery imports this module only where the feature is on."""

from __future__ import annotations

from app import task_queue
from workers import runtime
from workers.broker import messages
from workers.celery import app
from workers.tasks import ends_in_outage

messages.ARGUMENTS[task_queue.BUILD_INTENT] = (1, 1)


@app.task(name=task_queue.BUILD_INTENT)
@ends_in_outage
def build_intent(_request_id: str) -> None:
    """Have this worker look at the unfinished requests for intents of its node now.

    The task ends at once: a thread builds, so that no start or stop waits for it.
    """
    runtime.attend_intents_soon()
