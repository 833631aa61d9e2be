"""Other images for the services of a run's window, by a compose file beside the stack's own.

The container gets the window's id as a label. Compose remakes a stopped container whose definition differs,
so the next window starts the service with its own image. A container that still runs with the image of a run
when another window wants the service has `left_over`, for which it is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.domain.readiness import Container
from app.domain.stack_id import StackId
from app.host import private_files
from app.store import runs
from app.store import windows as rows
from workers.engine.containers import WINDOW_LABEL
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext


@contextmanager
def prepared_for(context: WorkerContext, served: Served, service: str, window: str) -> Iterator[Served]:
    """The stack as this service is started for a window: with its own image, or that of the window's run."""
    with context.database.read() as session:
        image = runs.images_of(session, context.node, window).get(service)
    if image is None or served.place is None:
        yield served
        return
    file = context.lock_dir / f"{served.spec.project}.{window}.{service}.image.json"
    try:
        private_files.replace(file, override_file(service, image, window))
        yield _with_image(served, service, image, file)
    finally:
        file.unlink(missing_ok=True)


def override_file(service: str, image: str, window: str) -> str:
    """A compose file that gives a service this image, and its containers the window's id."""
    changed = {"image": image, "labels": {WINDOW_LABEL: window}}
    return json.dumps({"services": {service: changed}})


def _with_image(served: Served, service: str, image: str, file: Path) -> Served:
    assert served.place
    spec = replace(served.spec.services[service], image=image, config_hash="")
    return replace(
        served,
        place=replace(served.place, files=(*served.place.files, str(file))),
        spec=replace(served.spec, services={**served.spec.services, service: spec}),
    )


def mark_left_over(
    context: WorkerContext, stack: StackId, containers: Iterable[Container]
) -> list[Container]:
    """The same containers. One that runs the image of a window that does not hold its service has the reason,
    where another window does."""
    seen = list(containers)
    if not any(one.window and one.alive for one in seen):
        return seen
    try:
        with context.database.read() as session:
            live = rows.live_leases(session, [stack], context.database.now())
    except SQLAlchemyError:
        return seen
    holders = {one.service: {lease.window for lease in live if lease.service == one.service} for one in seen}
    return [_mark(one, holders[one.service]) for one in seen]


def _mark(container: Container, holders: set[str]) -> Container:
    if not (container.window and container.alive and holders) or container.window in holders:
        return container
    why = f"it runs the image that a run had it run in window {container.window}"
    return replace(container, left_over=why)
