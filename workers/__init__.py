"""The worker: the only code that may reach Docker."""
