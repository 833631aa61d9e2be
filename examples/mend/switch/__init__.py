"""The package that the image of this example lacks."""

import signal


def run(name: str) -> None:
    """Say that the service works, and wait for SIGTERM."""
    print(f"{name} works", flush=True)
    signal.sigwait({signal.SIGTERM})
