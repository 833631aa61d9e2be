"""Why a run of a scenario was refused, or cannot be shown."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.errors import Conflict, Unknown, Wrong


class UnknownRun(Unknown):
    """No run of a scenario has this id."""

    def __init__(self, run: str) -> None:
        super().__init__(f"there is no run {run!r}", run=run)


class InvalidScenario(Wrong):
    """The scenario has these faults, each with its step and key."""

    field = "scenario"

    def __init__(self, faults: Iterable[str]) -> None:
        faults = list(faults)
        super().__init__("; ".join(faults[:10]), faults=faults[:100])


class CheckOutsideWindow(Wrong):
    """A step checks a service that the window of its scenario does not hold."""

    field = "scenario"

    def __init__(self, step: str, service: str, held: Iterable[str]) -> None:
        held = sorted(held)
        super().__init__(
            f"steps.{step}: the window does not hold {service!r}; it would hold {', '.join(held) or 'none'}",
            step=step,
            service=service,
            allowed=held,
        )


class ImageNotPermitted(Wrong):
    """A scenario gives a service an image that power.toml does not permit for it."""

    field = "scenario"

    def __init__(self, service: str, image: str, permitted: Iterable[str]) -> None:
        permitted = list(permitted)
        there_is = f"permitted is {', '.join(permitted)}" if permitted else "none is"
        super().__init__(
            f"images.{service}: {image} is not permitted, {there_is}; power.toml permits images by "
            f"`images` of [stacks.NAME.services.{service}]",
            service=service,
            image=image,
            allowed=permitted,
        )


class ImageOutsideWindow(Wrong):
    """A scenario gives an image to a service that its window does not hold."""

    field = "scenario"

    def __init__(self, service: str, held: Iterable[str]) -> None:
        held = sorted(held)
        super().__init__(
            f"images.{service}: the window would not hold it; it would hold {', '.join(held)}",
            service=service,
            allowed=held,
        )


class ImageInUse(Conflict):
    """A service runs another image for a run, so no other window may hold it until that one has closed."""

    field = "services"

    def __init__(self, service: str, image: str, run: str) -> None:
        super().__init__(
            f"{service} runs image {image} for run {run}; ask again when the window of that run has closed",
            service=service,
            image=image,
            run=run,
        )


class HeldElsewhere(Conflict):
    """A run would give another image to a service that another window holds."""

    def __init__(self, service: str, windows: Iterable[str]) -> None:
        windows = sorted(windows)
        super().__init__(
            f"{service} is held by window {', '.join(windows)}, which uses its own image",
            service=service,
            windows=windows,
        )


class TooManyRuns(Conflict):
    """The node has as many unfinished runs as it may have."""

    def __init__(self, node: str, limit: int) -> None:
        super().__init__(f"node {node!r} has {limit} runs that are not finished", node=node, limit=limit)


class NoReport(Conflict):
    """The run has no report: it is not finished, or it was cancelled before it began."""

    def __init__(self, run: str, state: str) -> None:
        super().__init__(f"run {run} is {state} and has no report", run=run, state=state)
