"""The engine: reads through its API, and the compose commands that change it."""
