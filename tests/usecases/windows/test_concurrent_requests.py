"""Many at once, each with its own way to the database, as processes have."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from app.domain.calls import SeenContainers
from app.domain.enums import Power
from app.domain.errors import TimeIsUp
from app.store.database import Database
from app.usecases.nodes import published_stacks
from app.usecases.reconciliation import observations
from app.usecases.windows import close as closing
from app.usecases.windows import expire as expiry
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.simultaneous import together
from tests.system import System, studio


def test_a_window_is_expired_exactly_once(system: System, database_url: str) -> None:
    opened = {system.ask("forge", ttl=60)[0] for _ in range(5)}
    now = system.now + timedelta(seconds=60)
    ways = [Database(database_url) for _ in range(4)]

    def expire(number: int) -> list[str]:
        with ways[number].write() as session:
            return [window.id for window in expiry.expire_due(session, now)]

    closed = Counter(window for each in together(4, expire) for window in each)
    for way in ways:
        way.close()
    assert closed == Counter(opened)
    assert system.trail().count("window.closing") == len(opened)
    assert system.intact()


def test_extending_and_expiring_on_the_stroke_agree(system: System, database_url: str) -> None:
    """The first request wins, and the other one gets the reason."""
    window, _new = system.ask("forge", ttl=60)
    deadline = system.window(window).deadline
    ways = [Database(database_url) for _ in range(2)]

    def act(number: int) -> bool:
        with ways[number].write() as session:
            if number:
                return bool(expiry.expire_due(session, deadline))
            try:
                extending.extend(session, window, 120, actor="ada", now=deadline - timedelta(milliseconds=1))
            except TimeIsUp:
                return False
            return True

    extended, expired = together(2, act)
    for way in ways:
        way.close()
    assert extended is not expired
    assert system.state(window) == ("closing" if expired else "opening")


def test_the_first_openings_of_a_stack_do_not_collide(database: Database) -> None:
    """No service has a row yet, and a worker inspects at the same time."""
    with database.write() as session:
        published_stacks.publish_stack(session, studio(), System.now)

    def act(number: int) -> None:
        with database.write() as session:
            if number % 2:
                opening.open_window(
                    session, OpenRequest(["forge", "api", "mill"]), actor="ada", now=System.now
                )
            else:
                seen = {name: SeenContainers(Power.OFF) for name in ("mill", "db", "api", "forge", "redis")}
                observations.record_inspection(session, studio(), seen, at=System.now, now=System.now)

    together(8, act)


def test_opening_closing_expiring_and_looking_do_not_wait_for_each_other_in_a_circle(system: System) -> None:
    opened = [system.open("forge", "mill", ttl=600) for _ in range(3)]
    later = system.now + timedelta(seconds=1)

    def act(number: int) -> None:
        for turn in range(4):
            with system.database.write() as session:
                if number == 0:
                    opening.open_window(session, OpenRequest(["mill", "api"]), actor="ada", now=later)
                elif number == 1:
                    closing.close(session, opened[turn % 3], actor="ada", now=later, force=True)
                elif number == 2:
                    expiry.expire_due(session, later + timedelta(seconds=600))
                else:
                    seen = {name: SeenContainers(Power.ON, alive=True) for name in ("forge", "mill", "redis")}
                    observations.record_inspection(session, system.spec, seen, at=later, now=later)

    together(5, act)
    assert system.intact()
