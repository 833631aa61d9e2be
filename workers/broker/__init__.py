"""The terms on which Celery uses the broker."""
