"""The stacks of this node: from the files on disk to the station, and from there to the database.

Reading needs no database, so a worker serves what its files say from its first moment.
What came of it waits as news until the database takes it. Files that change later are
read anew in the same way: adopted, or refused with the last good reading still in force.

    files ---> look ---> station.stacks ---> news ---> publish ---> database
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app import claims, observe, relocation, settings
from app.claims import StackHeld, StackTaken
from app.domain.locations import Location, elsewhere, why_not_moved
from app.domain.nodes import Sign
from app.domain.plans import StackSpec
from app.domain.readings import POWER_TOML, Reading, Verdict
from app.domain.words import Loop
from app.settings import ConfigError, NoticeToml, PowerToml
from app.store import stacks as known
from app.store import workers as signs
from app.store.tables import Stack
from workers import files, negotiation, shared_elements, stacks
from workers.files import Stamp
from workers.marks import Trigger
from workers.stacks import Rejected, Served
from workers.station import Station

log = logging.getLogger(__name__)
THOROUGH = 60.0
"""Seconds after which the files are read anew even if they look as before: they may include others."""

Done = Callable[[], None]
News = Callable[[Session, Sign], Done | None]
"""What is to be said of one stack, in one transaction; returns what follows once that is committed."""


@dataclass
class _Known:
    """What was last read of one stack."""

    stamp: Stamp = ()
    changing: bool = False
    """It looked different a moment ago, and is read when it has come to rest."""
    refused: str = ""
    """The digest of a later reading that was turned down."""
    read_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class _Offered:
    """A stack as its files say, and what they call core."""

    served: Served
    core: frozenset[str]


class Loading:
    """One worker's stacks. Called from one thread at a time, but for `publish`."""

    def __init__(self, station: Station, path: Path) -> None:
        self._station, self._path = station, path
        self._known: dict[str, _Known] = {}
        self._toml_stamp: Stamp = ()
        self._toml_changing = False
        self._toml: PowerToml | None = None
        self._news: dict[str, News] = {}
        self._told: dict[str, str] = {}
        self._offered: dict[str, _Offered] = {}
        """What was last offered to the database of each stack."""
        self._turn = threading.Lock()
        self.engine_fault = ""
        """Why nothing can be served on this engine; empty where it can."""

    def begin(self) -> None:
        """Read power.toml and every stack of this node; raises ConfigError."""
        self._toml_stamp = files.stamp([self._path])
        toml = settings.read_power_toml(self._path)
        self._toml = toml
        files.tidy(self._station.lock_dir)
        for name in toml.on_node(self._station.node):
            self._read(name, toml)
        self._news[""] = self._strangers

    @property
    def notices(self) -> dict[str, NoticeToml]:
        """Who is to be told of what, as power.toml last said without a fault."""
        return self._toml.notices if self._toml else {}

    def serve_engine(self, fault: str) -> None:
        """Withhold every stack for as long as the engine has a fault, and serve them again after it.

        What a withheld stack owes is still turned off; nothing of it can be opened.
        """
        if fault == self.engine_fault:
            return
        self.engine_fault = fault
        for name in self._toml.on_node(self._station.node) if self._toml else ():
            assert self._toml
            self._read(name, self._toml)

    # What is on disk.

    def look(self) -> set[str]:
        """Read what has changed on disk and come to rest again; return the stacks it was news of."""
        before = set(self._news)
        if self._toml_came_to_rest():
            self._read_toml()
        elif self._toml:
            for name in self._toml.on_node(self._station.node):
                if self._came_to_rest(name):
                    self._read(name, self._toml)
        return set(self._news) - before

    def _toml_came_to_rest(self) -> bool:
        now = files.stamp([self._path])
        rested, self._toml_changing = now == self._toml_stamp and self._toml_changing, now != self._toml_stamp
        self._toml_stamp = now
        return rested

    def _came_to_rest(self, name: str) -> bool:
        one = self._known.setdefault(name, _Known())
        now = files.stamp(self._files(name))
        rested, one.changing = now == one.stamp and one.changing, now != one.stamp
        one.stamp = now
        return rested or (not one.changing and time.monotonic() - one.read_at > THOROUGH)

    def _files(self, name: str) -> list[Path]:
        toml = self._toml.stacks.get(name) if self._toml else None
        return [] if toml is None else files.of(toml)

    def _read_toml(self) -> None:
        try:
            toml = settings.read_power_toml(self._path)
        except ConfigError as error:
            digest = files.digest([self._path])
            _log(POWER_TOML, Verdict.UNCHANGED, digest, error.faults)
            for name in list(self._station.stacks):
                self._refuse(name, error.faults, digest, log_it=False)
            return
        before, self._toml = self._toml, toml
        mine = toml.on_node(self._station.node)
        for name in mine:
            if before is None or before.stacks.get(name) != toml.stacks[name] or self._is_refused(name):
                self._read(name, toml)
        for name in self._station.stacks.keys() - mine.keys():
            self._drop(name, toml)
        self._forget_news(mine)

    def _forget_news(self, mine: Collection[str]) -> None:
        """Drop the news of stacks that another worker serves and that were taken out of power.toml."""
        with self._turn:
            for name in self._news.keys() - {"", *mine, *self._station.stacks}:
                for kept in (self._news, self._known, self._told, self._station.core):
                    kept.pop(name, None)

    def _is_refused(self, name: str) -> bool:
        return bool(self._known.get(name, _Known()).refused)

    # What a reading comes to.

    def _read(self, name: str, toml: PowerToml) -> None:
        one = self._known.setdefault(name, _Known())
        one.stamp, one.read_at, one.changing = (
            files.stamp(files.of(toml.stacks[name])),
            time.monotonic(),
            False,
        )
        if self.engine_fault:
            self._withhold(name, toml)
            return
        try:
            served = stacks.read(self._path, toml, name, keep=self._station.lock_dir)
            self._refuse_what_core_uses(name, served)
        except Rejected as rejected:
            self._turn_down(name, toml, rejected)
            return
        except Exception as error:  # noqa: BLE001 - one stack that breaks keeps no other from being served
            self._station.guard.failed(Loop.FILES, error, f"stack {name}")
            self._turn_down(name, toml, self._unreadable(name, toml, error))
            return
        self._station.guard.succeeded(Loop.FILES, f"stack {name}")
        now = self._station.stacks.get(name)
        if now and now.place and now.spec.digest == served.spec.digest and not one.refused:
            return
        self._adopt(name, toml, served)

    def _unreadable(self, name: str, toml: PowerToml, error: Exception) -> Rejected:
        stack = toml.stacks[name]
        fault = f"{self._path}: stacks.{name}: could not be read: {type(error).__name__}: {error}"
        return Rejected(StackSpec(name, stack.project, stack.node, {}), [fault], unanswered=True)

    def _refuse_what_core_uses(self, name: str, served: Served) -> None:
        """Raises Rejected where a network or volume of core is defined otherwise than it exists."""
        key = f"{self._path}: stacks.{name}"
        try:
            faults = shared_elements.faults(self._station.engine, served, key, self._station.lock_dir)
        except negotiation.Unable as error:
            log.warning(
                "stack %s: its networks and volumes are not compared: %s", name, negotiation.why(error)
            )
            return
        if faults:
            empty = StackSpec(name, served.spec.project, served.spec.node, {}, digest=served.spec.digest)
            raise Rejected(empty, faults)

    def _adopt(self, name: str, toml: PowerToml, served: Served) -> None:
        one, offered = self._known[name], _Offered(served, frozenset(toml.stacks[name].core))
        one.refused = ""
        now = self._station.stacks.get(name)
        if name not in self._station.claimed or (now and now.spec.project == served.spec.project):
            self._serve(offered)
        # Another project waits until the database says that nothing is left in this one.
        self._tell(name, partial(self._publish, offered=offered))

    def _in_force(self, name: str) -> Served | None:
        """What is served of a stack as the database knows it."""
        now = self._station.stacks.get(name)
        return now if now and now.place and name in self._station.claimed else None

    def _serve(self, offered: _Offered) -> None:
        name = offered.served.spec.name
        self._station.core[name] = offered.core
        self._station.adopt(offered.served)
        # What is to be done may follow from the roles that were just published.
        self._station.look_again(name, None, Trigger.REQUEST)
        log.info(
            "%s", Reading(f"stack {name}", Verdict.SERVED, offered.served.spec.digest, "its files are good")
        )

    def _withhold(self, name: str, toml: PowerToml) -> None:
        stack, fault = toml.stacks[name], f"{self._path}: stacks.{name}: {self.engine_fault}"
        if self._known[name].refused == fault:
            return
        self._known[name].refused = fault
        known = self._station.stacks.get(name) or Served(StackSpec(name, stack.project, stack.node, {}))
        self._station.core[name] = frozenset(stack.core)
        self._station.stacks[name] = replace(known, place=None)
        digest = files.digest([self._path, *files.of(stack)])
        _log(f"stack {name}", Verdict.REJECTED, digest, [fault])
        rejected = Rejected(known.spec, [fault])
        self._tell(name, lambda session, _mine: self._reject(session, rejected, digest))

    def publish_again(self) -> None:
        """The engine is another one than before: every stack is claimed anew, for that one."""
        for name, served in list(self._station.stacks.items()):
            if served.place is not None and name not in self._news:
                offered = _Offered(served, self._station.core.get(name, frozenset()))
                self._tell(name, partial(self._publish, offered=offered))

    def check_locations(self) -> None:
        """Claim anew what holds or owes something elsewhere, so that it is held back until that has ended."""
        with self._station.database.read() as session:
            found = [
                name
                for name, served in list(self._station.stacks.items())
                if name in self._station.claimed
                and elsewhere(relocation.holdings(session, name), self._station.location(served.spec))
            ]
        if found:
            self.publish_again()

    def _turn_down(self, name: str, toml: PowerToml, rejected: Rejected) -> None:
        now = self._station.stacks.get(name)
        if now is not None and now.place is not None:
            # Where compose gave no answer in time, nothing is known to be wrong with the files.
            if not rejected.unanswered:
                self._refuse(
                    name,
                    rejected.faults,
                    rejected.digest or files.digest([self._path, *files.of(toml.stacks[name])]),
                )
            return
        digest = rejected.digest or files.digest([self._path, *files.of(toml.stacks[name])])
        if self._is_refused(name) and self._known[name].refused == digest and not rejected.unanswered:
            return
        self._known[name].refused = digest
        _log(f"stack {name}", Verdict.REJECTED, digest, rejected.faults)
        self._station.core[name] = frozenset(toml.stacks[name].core)
        self._station.stacks.setdefault(name, Served(rejected.spec))
        self._tell(name, lambda session, _mine: self._reject(session, rejected, digest))

    def _refuse(self, name: str, faults: list[str], digest: str, *, log_it: bool = True) -> None:
        """A later reading is no good: what is in force stays so."""
        one = self._known.setdefault(name, _Known())
        if one.refused == digest:
            return
        one.refused = digest
        if log_it:
            _log(f"stack {name}", Verdict.UNCHANGED, digest, faults)
        self._tell(name, lambda session, _mine: self._say_refused(session, name, faults, digest))

    def _drop(self, name: str, toml: PowerToml) -> None:
        """It is no longer this node's: what it still owes is turned off, and nothing is started."""
        served = self._station.stacks[name]
        if served.place is not None:
            log.warning(
                "stack %s is no longer in %s; it is turned off when its windows end", name, self._path
            )
            self._station.stacks[name] = replace(served, place=None)
        self._tell(name, lambda session, mine: self._forget(session, mine, name, toml))

    # What is said of it.

    def _tell(self, name: str, news: News) -> None:
        with self._turn:
            self._news[name] = news

    def publish(self, mine: Callable[[], Sign]) -> None:
        """Offer every piece of news to the database; raises what the store raises while it is away."""
        for name, news in list(self._news.items()):
            offer = partial(self._offer, name, news, mine)
            self._station.guard.isolate(Loop.CLOCK, f"publishing stack {name}", offer)

    def _offer(self, name: str, news: News, mine: Callable[[], Sign]) -> None:
        try:
            with self._station.database.write() as session:
                done = news(session, mine())
        except _NotYet:
            return
        except StackTaken as taken:
            self._taken(name, str(taken))
            return
        except StackHeld as held:
            self._hold_back(name, held)
            return
        if done:
            done()
        with self._turn:
            if self._news.get(name) is news:
                del self._news[name]

    def _now(self) -> datetime:
        return self._station.database.now()

    def _publish(self, session: Session, mine: Sign, offered: _Offered) -> Done:
        spec = offered.served.spec
        key = f"{self._path}: stacks.{spec.name}"
        self._offered[spec.name] = offered
        claims.take(session, spec, mine, key=key, dead=self._station.me.dead, now=self._now())
        observe.published(session, spec, self._now(), mine.engine_id)
        self._claim(session, mine, spec.name)
        self._told.pop(spec.name, None)
        return partial(self._serve, offered)

    def _hold_back(self, name: str, held: StackHeld) -> None:
        """Keep what is in force, or else only turn off what is left in the old location."""
        offered, fault, now = self._offered[name], str(held), self._in_force(name)
        spec = offered.served.spec
        if now and held.at and not held.at.agrees(self._station.location(now.spec)):
            now = None
        if self._told.get(name) != fault:
            _log(f"stack {name}", Verdict.UNCHANGED if now else Verdict.REJECTED, spec.digest, [fault])
            with self._station.database.write() as session:
                self._say_held_back(session, spec, fault, in_force=now is not None)
            self._told[name] = fault
        self._known.setdefault(name, _Known()).refused = spec.digest
        self._station.claimed.add(name)
        if now is None:
            self._only_turn_off(spec, held.at)

    def _say_held_back(self, session: Session, spec: StackSpec, fault: str, *, in_force: bool) -> None:
        if in_force:
            observe.refused(session, spec.name, [fault], spec.digest, self._now())
            return
        empty = replace(spec, services={}, digest="")
        observe.rejected(session, empty, [fault], self._now(), digest=spec.digest)
        if (row := known.named(session, spec.name)) and self._station.engine_id:
            observe.unreachable(session, row, self._station.engine_id, self._now())

    def _only_turn_off(self, spec: StackSpec, at: Location | None) -> None:
        """Serve what is left of a stack in one project, or nothing where that is not on this engine."""
        if at is None or not at.on_engine(self._station.engine_id):
            self._station.stacks.pop(spec.name, None)
        else:
            self._station.stacks[spec.name] = Served(replace(spec, project=at.project or spec.project))
            self._station.look_again(spec.name, None, Trigger.REQUEST)

    def _claim(self, session: Session, mine: Sign, name: str) -> None:
        self._station.claimed.add(name)
        signs.write(session, replace(mine, stacks=sorted(self._station.claimed)))

    def _taken(self, name: str, fault: str) -> None:
        """It is another's: this worker keeps its hands off, and asks again with its next sign of life."""
        served = self._station.stacks.get(name)
        self._station.forget(name)
        if self._told.get(name) == fault:
            return
        digest = served.spec.digest if served else ""
        _log(f"stack {name}", Verdict.REJECTED, digest, [fault])
        with self._station.database.write() as session:
            claims.rejected_elsewhere(session, name, fault, digest, self._now())
        self._told[name] = fault

    def _reject(self, session: Session, rejected: Rejected, digest: str) -> None:
        name = rejected.spec.name
        row = known.named(session, name)
        if row is not None and row.node != self._station.node:
            claims.rejected_elsewhere(session, name, "; ".join(rejected.faults), digest, self._now())
            self._station.forget(name)
            return
        observe.rejected(session, rejected.spec, rejected.faults, self._now(), digest=digest)
        if row := known.named(session, name):
            self._station.stacks[name] = Served(row.spec)
        self._station.claimed.add(name)

    def _say_refused(self, session: Session, name: str, faults: list[str], digest: str) -> None:
        observe.refused(session, name, faults, digest, self._now())

    def _forget(self, session: Session, mine: Sign, name: str, toml: PowerToml) -> Done:
        row = known.named(session, name)
        if row is not None and row.node == self._station.node:
            unreached = self._follow(session, row, mine)
            if name in toml.stacks and not claims.at_rest(session, name):
                raise _NotYet
            gone = f"{self._path}: is no longer there; its services are turned off when their windows end"
            fault = unreached or gone
            self._log_once(name, unreached)
            if name not in toml.stacks and not observe.forgotten(session, row, fault, self._now()):
                # Its faults are on record now, and it is asked again whether all of it has ended.
                session.commit()
                raise _NotYet
        return partial(self._let_go, name)

    def _log_once(self, name: str, fault: str) -> None:
        if fault and self._told.get(name) != fault:
            log.error("%s", fault)
        self._told[name] = fault

    def _let_go(self, name: str) -> None:
        self._station.forget(name)
        self._station.core.pop(name, None)
        self._known.pop(name, None)
        self._told.pop(name, None)

    def _follow(self, session: Session, row: Stack, mine: Sign) -> str:
        """Turn off what is left of a stack that is no longer served, wherever on this engine that is.

        Returns why that cannot be done yet, where it is on another engine.
        """
        here = self._station.location(row.spec)
        left = elsewhere(relocation.holdings(session, row.name), here)
        if not left:
            self._station.stacks.setdefault(row.name, Served(row.spec))
            return ""
        self._only_turn_off(row.spec, left[0].location)
        if left[0].location.on_engine(mine.engine_id):
            return ""
        observe.unreachable(session, row, mine.engine_id, self._now())
        return why_not_moved(f"{self._path}: stacks.{row.name}", row.name, here, left)

    def _strangers(self, session: Session, _mine: Sign) -> None:
        """Stacks that this node published once and that are not in its power.toml any more."""
        assert self._toml
        mine = self._toml.on_node(self._station.node)
        for row in claims.known_here(session, self._station.node):
            if row.name not in mine:
                take_over = partial(self._take_over, row, self._toml)
                self._station.guard.isolate(Loop.CLOCK, f"stack {row.name}", take_over)

    def _take_over(self, row: Stack, toml: PowerToml) -> None:
        self._station.stacks.setdefault(row.name, Served(row.spec))
        self._station.claimed.add(row.name)
        self._drop(row.name, toml)


def _log(subject: str, verdict: Verdict, digest: str, faults: list[str]) -> None:
    """Each fault on a line of its own, as a standalone's supervisor reads it."""
    for fault in faults:
        log.error("%s", Reading(subject, verdict, digest, fault))


class _NotYet(Exception):
    """Something of it has not ended yet; ask again."""
