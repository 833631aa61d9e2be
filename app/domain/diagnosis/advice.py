"""The usual meaning of a fault, in one sentence for its user."""

from __future__ import annotations

from collections.abc import Iterable

_MEANS: Iterable[tuple[tuple[str, ...], str]] = (
    (
        ("out of memory", "too much memory"),
        "It needs more memory than it may have: raise its limit, or close what else uses the machine's.",
    ),
    (
        ("no such image", "image missing", "pull access denied", "is not there"),
        "Its image is not on this machine. Images are neither pulled nor built inside a window.",
    ),
    (
        ("port is already allocated", "address already in use"),
        "Something else has its port: another container, or a program on the host.",
    ),
    (
        ("modulenotfounderror", "importerror", "cannot find module", "no such file or directory"),
        "A part of the program is missing in its image: it has to be built anew.",
    ),
    (
        ("permission denied",),
        "It may not read or write something it needs: look at the owner of its volumes and files.",
    ),
    (
        ("connection refused", "name or service not known", "could not connect", "name resolution"),
        "It cannot reach something it depends on: is that on, and named in depends_on?",
    ),
    (
        ("waited in vain for its healthcheck", "healthcheck says unhealthy"),
        "It runs but its healthcheck never says healthy: try the check by hand in the container, or give it "
        "more ready_timeout.",
    ),
    (
        ("keeps restarting",),
        "It starts, ends by itself and is started again: its last lines say what it ended for.",
    ),
    (
        ("exited with code",),
        "It ended though it should run. One that is meant to end is called `oneshot` in power.toml.",
    ),
    (("paused by hand",), "It was paused by hand: `docker compose unpause` lets it run on."),
    (
        ("has not been heard of",),
        "The worker of its node does not answer: is the machine on, and the worker running there?",
    ),
)


def usually(trouble: str) -> str:
    """What trouble that reads like this usually means; nothing where that is not known."""
    low = trouble.lower()
    return next((means for signs, means in _MEANS if any(sign in low for sign in signs)), "")
