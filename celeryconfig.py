"""How work travels: the broker, the terms of delivery, and how often beat looks.

Every figure here was measured against a killed worker and a killed broker; the
reasons are in docs/decisions/0002-delivery-terms.md.
"""

from __future__ import annotations

from app import settings

_settings = settings.load_or_exit()

broker_url = _settings.broker_url
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # Longer than the longest task, which reads logs.
    "visibility_timeout": 180,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # A half-open connection is noticed in seconds rather than never.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
}

# A feature that is off has no task.
imports = ("workers.intent_tasks",) if _settings.features.intents else ()

accept_content = ["json"]
task_serializer = result_serializer = event_serializer = "json"
timezone = "UTC"
enable_utc = True

# A killed worker's task is delivered again; converge is idempotent, so let it be.
task_acks_late = True
task_reject_on_worker_lost = True
# The database row is the result.
task_ignore_result = True
task_default_queue = "power"
task_send_sent_event = True

worker_pool = "threads"
# A task reads and writes a few rows and hands on what is to be called: it never waits for a call, whose
# number workers.state.concurrency bounds. Only tasks that read logs wait for the engine.
worker_concurrency = 16
worker_prefetch_multiplier = 1
worker_send_task_events = True
worker_hijack_root_logger = False
# Whatever the broker answers, the worker goes on, since deadlines are kept without it.
worker_consumer = "workers.broker.consumer:Consumer"
# Anybody who reaches the broker could stop workers by it. Events tell a monitor all it shows.
worker_enable_remote_control = False

beat_scheduler = "workers.loops.beat_scheduler:DeadlineScheduler"
beat_max_loop_interval = 1
beat_schedule = {
    "sweep": {"task": "power.sweep", "schedule": 1.0, "options": {"queue": "power", "expires": 2}},
    "resync": {"task": "power.resync", "schedule": 60.0, "options": {"queue": "power", "expires": 50}},
}
