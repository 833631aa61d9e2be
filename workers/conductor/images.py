"""Checks of the images that a scenario gives to its services: before the window opens, and once they run."""

from __future__ import annotations

from collections.abc import Mapping

from workers.engine import negotiation
from workers.engine.client import Engine
from workers.jobs.job_window import JobFailed


class UnusableImages(JobFailed):
    """The services cannot run these images, or do not, for the reason given."""


def check_images(engine: Engine, project: str, images: Mapping[str, str], window: str | None = None) -> None:
    """Raise UnusableImages where services cannot run these images or, in a window that is open, do not."""
    if not images:
        return
    try:
        if window is None:
            _require_usable(engine, project, images)
        else:
            _require_running(engine, project, images, window)
    except negotiation.Unable as error:
        raise UnusableImages(f"its images cannot be checked: {negotiation.why(error)}") from error


def _require_usable(engine: Engine, project: str, images: Mapping[str, str]) -> None:
    for service, image in sorted(images.items()):
        if not engine.image(image):
            raise UnusableImages(f"the engine has no image {image} for {service}; pull or build it")
    there = engine.containers(project, sorted(images))
    if running := sorted({one.service for one in there if one.alive}):
        names = ", ".join(running)
        raise UnusableImages(f"{names} runs already, with its own image; stop it, and run the scenario again")


def _require_running(engine: Engine, project: str, images: Mapping[str, str], window: str) -> None:
    there = engine.containers(project, sorted(images))
    for service, image in sorted(images.items()):
        mine = [one for one in there if one.service == service and one.alive]
        if wrong := [one for one in mine if one.window != window or one.image != engine.image(image)]:
            raise UnusableImages(f"{service} does not run {image}: its container has {wrong[0].image[:19]}")
