"""Requests for intents: builds what has changed, opens the window, runs the checks."""
