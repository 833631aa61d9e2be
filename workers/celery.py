"""The Celery app: `celery -A workers worker`, `beat`, `flower`. Its terms are in celeryconfig."""

from __future__ import annotations

from celery import Celery

from workers.broker import transport

transport.install()
app = Celery("workers", include=["workers.tasks"])
app.config_from_object("celeryconfig")
