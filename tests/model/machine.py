"""The house against the plain model: whatever is asked, whatever breaks, wherever a process is killed.

One step is one thing that somebody does, or that happens, or that a process does until
it is killed. After each, what is in the database and on the engine is held against the
plain model; at the end everything is mended, and nothing may be left on.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from app.domain import errors
from app.domain.enums import Action, CallStatus, Role, State
from app.domain.errors import Refusal
from app.domain.planning import ServiceSpec, StackSpec
from app.store.tables import Call, Window
from app.usecases.windows import close as closing
from app.usecases.windows import expire as expiry
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows import refusals
from app.usecases.windows.open import OpenRequest, Repeat
from tests.model import crashes
from tests.model.crashes import FRONT, HANDS, KILL, Interrupted, Interruption, Killed
from tests.model.crew import Hand, Way, patches
from tests.model.plain import Plain, Promise
from tests.model.record import Record
from tests.model.world import Files, Key, World
from tests.system import studio

KILLED = object()
"""What came of a request whose front was killed: nobody knows."""
PEOPLE = ("ada", "bob")
NAMES = ("forge", "mill", "db", "api", "job", "report")
ODD = ("redis", "secret", "nothing", "--all", "")
LONG = timedelta(hours=9)
WITHIN = timedelta(seconds=10)
FOLLOWED = 7
"""Rounds that follow marks: enough for every wave, and over before a window counts as abandoned."""


def attic() -> StackSpec:
    """Another stack with a service of the same name, which stops what a hand has started."""
    services = [ServiceSpec("redis", Role.CORE, stable_for=0.0), ServiceSpec("forge", Role.ALLOWED)]
    by_name = {one.name: one for one in services}
    return StackSpec("attic", "attic", "local", by_name, max_ttl=3600.0, drift="stop", digest="a")


def _with(spec: StackSpec, digest: str, **roles: Role) -> StackSpec:
    changed = {name: replace(spec.services[name], role=role) for name, role in roles.items()}
    return replace(spec, digest=digest, services={**spec.services, **changed})


def _without(spec: StackSpec, name: str) -> StackSpec:
    left = {other: one for other, one in spec.services.items() if other != name}
    return replace(spec, digest=f"no {name}", services=left)


STUDIOS: tuple[StackSpec, ...] = (
    replace(studio(), digest="as it was"),
    _with(studio(), "mill is not listed", mill=Role.NONE),
    _with(studio(), "forge is core", forge=Role.CORE),
    _without(studio(), "mill"),
    replace(studio(), digest="shorter", max_ttl=900.0),
)

# What is drawn.

people = st.sampled_from(PEOPLE)
which = st.integers(0, 7)
some = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
asked = st.one_of(some, some, some, st.lists(st.sampled_from(NAMES + ODD), max_size=3))
ttls = st.one_of(
    st.none(), st.sampled_from((1.0, 5.0, 30.0, 120.0, 600.0)), st.sampled_from((-1.0, 0.0, 3600.5, 1e12))
)
fair = st.sampled_from((5.0, 30.0, 120.0, 600.0))
fates = st.sampled_from(("nothing", "late", "child"))
MEANWHILE = [
    "open",
    "open",
    "close",
    "force",
    "extend",
    "shorten",
    "sweep",
    "other",
    "pass",
    "stroke",
    "die",
    "hand-start",
    "hand-stop",
    "away",
    "back",
    "heal",
]

MISHAPS = [
    "sicken",
    "well",
    "core dies",
    "core starts",
    "core starts",
    "attic",
    "reboot",
    "child ends",
    "killed",
]
DEEDS = (
    "sweep",
    "message",
    "message",
    "forged open",
    "forged close",
    "tick",
    "look",
    "work",
    "work",
    "begin",
)


def _plans(files: Sequence[str], what: st.SearchStrategy[str]) -> st.SearchStrategy[list[Interruption]]:
    counted = st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, 2500))
    by_count = st.builds(Interruption, what, which, counted)
    # Each file alike, however long it is.
    places = st.sampled_from(files).flatmap(lambda name: st.sampled_from(crashes.statements((name,))))
    by_place = st.builds(Interruption, what, which, st.integers(0, 2), places)
    return st.lists(st.one_of(by_place, by_count), max_size=3)


at_work = _plans(HANDS, st.one_of(st.just(KILL), st.sampled_from(MEANWHILE)))
at_the_front = st.one_of(st.just(list[Interruption]()), _plans(FRONT, st.just(KILL)))


@dataclass
class Message:
    name: str
    window: str


class Complaints(logging.Handler):
    """What the product itself calls a mistake of its own."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.name.startswith(("workers", "app")):
            text = logging.Formatter().formatException(record.exc_info)
            self._world.faults.append(f"{record.getMessage()}\n{text}")


@dataclass
class Stage:
    """Where machines play, one after another: databases are emptied rather than made anew."""

    ways: tuple[Way, Way, Way]
    empty: Callable[[], None]
    lock_dir: Any
    steps: int = 0
    runs: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """The ways that windows went, calls, refusals."""


class Machine(RuleBasedStateMachine):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        stage.empty()
        stage.runs += 1
        self.stage = stage
        self.plain = Plain({"studio": STUDIOS[0], "attic": attic()})
        self.world = World(stage.lock_dir, Files(dict(self.plain.stacks)))
        self.world.files.write(self.world.config)
        self._ids = 0
        self._leaving = ExitStack()
        self._play()
        self.front, *ways = stage.ways
        for way in stage.ways:
            way.world = self.world
        self.world.judge = self._judge
        self.hands = [Hand(way, self.world) for way in ways]
        self.record = Record(self.front, self.plain, self.world)
        self.messages: list[Message] = []
        self.sick = False
        """Its healthcheck says nothing until somebody heals it."""
        for project in ("studio", "attic"):
            self.world.start((project, "redis"))

    def _play(self) -> None:
        for patch in patches(self.world):
            self._leaving.enter_context(patch)
        secrets = SimpleNamespace(token_hex=self._id)
        self._leaving.enter_context(mock.patch("app.usecases.windows.open.secrets", secrets))
        complaints = Complaints(self.world)
        logging.getLogger().addHandler(complaints)
        self._leaving.callback(logging.getLogger().removeHandler, complaints)

    def _id(self, _bytes: int) -> str:
        self._ids += 1
        return hashlib.sha256(str(self._ids).encode()).hexdigest()[:16]

    @initialize()
    def somebody_works(self) -> None:
        self._begin(self.hands[0])

    # Playing with interruptions.

    def _interrupted(
        self, plan: Sequence[Interruption], meanwhile: Callable[[str, int], None]
    ) -> Interrupted:
        return Interrupted(plan, meanwhile, lambda: not self.world.writing)

    def _hand(
        self, number: int, plan: Sequence[Interruption], fate: str, work: Callable[[Hand], None]
    ) -> None:
        """Let a worker do something, perhaps its last."""
        hand, other = self.hands[number % 2], self.hands[1 - number % 2]
        if not hand.up:
            self._begin(hand)
        self.world.fate = fate

        def meanwhile(what: str, which: int) -> None:
            if what == "other":
                self._a_turn(other)
            else:
                self._happens(what, which)

        self.world.interrupted = self._interrupted(plan, meanwhile)
        try:
            with self.world.interrupted:
                work(hand)
            return
        except Killed:
            pass
        finally:
            self.world.interrupted = None
        hand.die()

    def _begin(self, hand: Hand) -> None:
        hand.begin()
        self.record.stacks()

    def _a_turn(self, hand: Hand) -> None:
        """The other worker's, in the middle of something that one does."""
        if not hand.up:
            self._begin(hand)
        hand.tick()
        hand.looks()
        while hand.queued:
            hand.work()

    def _happens(self, what: str, which: int) -> None:
        service, key = NAMES[which % len(NAMES)], ("studio", NAMES[which % len(NAMES)])
        window = self._window(which)
        happenings: dict[str, Callable[[], object]] = {
            "other": lambda: self._a_turn(self.hands[which % 2]),
            "open": lambda: self._open("ada", "studio", [service], 30.0),
            "close": lambda: self._close("bob", window),
            "force": lambda: self._close("bob", window, force=True),
            "extend": lambda: self._extend("bob", window, 600.0),
            "shorten": lambda: self._extend("ada", window, 1.0),
            "sweep": self._sweep,
            "pass": lambda: self.world.spend(2.0**which),
            "stroke": self._to_the_stroke,
            "die": lambda: self.world.end(key, which % 2),
            "hand-start": lambda: self._started_by_hand(key),
            "hand-stop": lambda: self.world.end(key, 143),
            "sicken": self._sicken,
            "well": lambda: setattr(self, "sick", False),
            "core dies": lambda: self.world.end(("studio", "redis"), 1),
            "core starts": lambda: self.world.start(("studio", "redis")),
            "attic": lambda: self._started_by_hand(("attic", "forge")),
            "reboot": self._reboot,
            "child ends": lambda: self._child_ends(which),
            "killed": self.hands[which % 2].die,
            "heal": lambda: self.world.health(("studio", "db"), "healthy"),
            "away": lambda: setattr(self.world, "away", True),
            "back": lambda: setattr(self.world, "away", False),
        }
        happenings[what]()

    # What people ask for.

    def _window(self, which: int) -> str:
        every = list(self.plain.promises)
        return every[-1 - which % len(every)] if every else "none"

    @rule(actor=people, services=some, ttl=fair, hand=which, plan=at_work, fate=fates)
    def somebody_is_served(
        self, actor: str, services: list[str], ttl: float, hand: int, plan: Any, fate: str
    ) -> None:
        """A window, and a worker that goes on with it as far as it gets."""
        self._open(actor, "studio", services, ttl)
        self._hand(hand, plan, fate, self._until_quiet)

    @rule(actor=people, services=asked, ttl=ttls, other=st.integers(0, 9), plan=at_the_front)
    def open(self, actor: str, services: list[str], ttl: float | None, other: int, plan: Any) -> None:
        stack = {0: "attic", 1: "nowhere", 2: "attic"}.get(other, "studio")
        key = {3: "k", 4: "l", 5: "k"}.get(other)
        self._open(actor, stack, services if stack == "studio" else ["forge"], ttl, key, plan)

    def _open(
        self,
        actor: str,
        stack: str,
        services: list[str],
        ttl: float | None,
        key: str | None = None,
        plan: Sequence[Interruption] = (),
    ) -> None:
        body = repr((stack, services, ttl))
        digest = hashlib.sha256(body.encode()).hexdigest()
        repeat = Repeat(actor, key, digest) if key else None

        def ask() -> tuple[Window, bool]:
            with self.front.write() as session:
                now = self.front.now()
                self._now = now
                return opening.open_window(
                    session, OpenRequest(services, stack, ttl, "why"), actor=actor, now=now, repeat=repeat
                )

        answer = self._asked(ask, plan, "open", actor, stack)
        before = self.plain.repeated(actor, key, self._now)
        if answer is KILLED:
            self.record.adopt(
                stack, list(dict.fromkeys(services)), actor, self._now, ttl, key and (key, digest)
            )
            return
        if before:
            expected: type[Refusal] | None = None if before[0] == digest else errors.KeyReused
        else:
            expected = self.plain.opening(stack, services, ttl)
        self._answered(answer, expected)
        if isinstance(answer, Refusal) or answer is None:
            return
        window, new = answer
        assert new is (before is None), "a key stands for one window"
        if before:
            assert window.id == before[1]
            return
        self._promised(window, stack, services, ttl, key, digest)

    def _promised(
        self, window: Window, stack: str, services: list[str], ttl: float | None, key: str | None, digest: str
    ) -> None:
        seconds = self.plain.stacks[stack].default_ttl if ttl is None else ttl
        asked = list(dict.fromkeys(services))
        deadline = self._now + timedelta(seconds=seconds)
        held = self.plain.closure(stack, asked)
        promise = Promise(
            window.id, stack, asked, held, window.actor, self._now, deadline, seconds, State.WAITING
        )
        self.plain.promises[window.id] = promise
        if window.state == State.OPENING:
            self.plain.begun(promise)
        if key:
            self.plain.keys[window.actor, key] = (digest, window.id, self._now)
        self.messages.append(Message("open", window.id))

    @rule(
        actor=people,
        which=which,
        ttl=st.sampled_from((0.0, 1.0, 10.0, 300.0, 2000.0, 1e9)),
        plan=at_the_front,
    )
    def extend(self, actor: str, which: int, ttl: float, plan: Any) -> None:
        self._extend(actor, self._window(which), ttl, plan)

    def _extend(self, actor: str, window: str, ttl: float, plan: Sequence[Interruption] = ()) -> None:
        def ask() -> Window:
            with self.front.write() as session:
                self._now = self.front.now()
                return extending.extend(session, window, ttl, actor=actor, now=self._now)

        # In the middle of what a worker does, it may have ended already.
        self.record.moved()
        answer = self._asked(ask, plan, "extend", actor)
        expected = self.plain.extending(window, ttl, actor, self._now)
        deadline = self._now + timedelta(seconds=min(ttl, 1e6))
        if answer is KILLED:
            if expected is None:
                self.record.perhaps_extended(window, deadline, self._now)
            return
        self._answered(answer, expected)
        if expected is None:
            self.plain.extended(window, deadline, self._now)

    @rule(
        actor=people,
        which=which,
        force=st.booleans(),
        plan=at_the_front,
        hand=which,
        after=at_work,
        fate=fates,
    )
    def close(self, actor: str, which: int, force: bool, plan: Any, hand: int, after: Any, fate: str) -> None:
        self._close(actor, self._window(which), force, plan)
        if hand % 4:
            self._hand(hand, after, fate, self._until_quiet)

    def _close(self, actor: str, window: str, force: bool = False, plan: Sequence[Interruption] = ()) -> None:
        def ask() -> Window:
            with self.front.write() as session:
                self._now = self.front.now()
                return closing.close(session, window, actor=actor, now=self._now, force=force)

        answer = self._asked(ask, plan, "close", actor)
        promise = self.plain.promises.get(window)
        if promise:
            promise.unwanted = True
            promise.forced = promise.forced or force
        if answer is KILLED:
            return
        self._answered(answer, self.plain.closing(window))
        self.messages.append(Message("close", window))

    def _asked(
        self,
        ask: Callable[[], Any],
        plan: Sequence[Interruption],
        what: str,
        actor: str,
        stack: str | None = None,
    ) -> Any:
        before = self.record.fingerprint()
        self._now = self.world.now
        try:
            with self._interrupted(plan, lambda _what, _which: None):
                return ask()
        except Killed:
            pass
        except Refusal as refusal:
            return self._refused(refusal, before, actor, stack, what)
        # Not in the handler: until that is left, the dead process's frames live on with all they hold.
        self.front.reborn()
        return KILLED

    def _refused(self, refusal: Refusal, before: object, actor: str, stack: str | None, what: str) -> Refusal:
        """Nothing is left of it but, of those that somebody might try again, an entry."""
        if self.record.fingerprint() != before:
            self.world.faults.append(f"{type(refusal).__name__} left a trace")
        if isinstance(refusal, errors.NotAllowed | errors.Conflict):
            with self.front.write() as session:
                now, of = self.front.now(), stack or "studio"
                refusals.record_refusal(session, refusal, actor=actor, now=now, stack=of, what=what)
            self.record.refused += 1
        return refusal

    def _answered(self, answer: object, expected: type[Refusal] | None) -> None:
        got = type(answer) if isinstance(answer, Refusal) else None
        assert got is expected, f"{got} instead of {expected}"

    # What happens by itself.

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.0, 11.0, 61.0, 700.0, 4000.0, 90_000.0)), hand=which)
    def time_passes(self, seconds: float, hand: int) -> None:
        self.world.spend(seconds)
        if hand % 2:
            self._hand(hand, (), "nothing", self._until_quiet)

    @rule(hand=which, plan=at_work, fate=fates)
    def a_deadline_comes(self, hand: int, plan: Any, fate: str) -> None:
        self._to_the_stroke()
        self.world.spend(hand)
        self._hand(hand, plan, fate, self._until_quiet)

    def _to_the_stroke(self) -> None:
        live = [one.deadline for one in self.plain.promises.values() if one.live(self.world.now)]
        if live:
            self.world.spend((min(live) - self.world.now).total_seconds())

    def _sweep(self) -> None:
        with self.front.write() as session:
            expiry.expire_due(session, self.front.now())

    @rule(hand=which, number=which, what=st.sampled_from(DEEDS), plan=at_work, fate=fates)
    def a_worker_does_something(self, hand: int, number: int, what: str, plan: Any, fate: str) -> None:
        window = self._window(number) if number else "forge"
        deeds: dict[str, Callable[[Hand], None]] = {
            "sweep": lambda hand: hand.told("sweep"),
            "message": lambda hand: self._a_message(hand, number),
            "forged open": lambda hand: hand.told("open", window),
            "forged close": lambda hand: hand.told("close", window),
            "tick": Hand.tick,
            "look": lambda hand: hand.look("studio" if number else "attic"),
            "work": lambda hand: hand.work(number),
            "begin": self._begin,
        }
        self._hand(hand, plan, fate, deeds[what])

    def _a_message(self, hand: Hand, number: int) -> None:
        """Some time after it was sent, and perhaps not for the last time."""
        if self.messages:
            message = self.messages[number % len(self.messages)]
            if number % 2:
                self.messages.remove(message)
            hand.told(message.name, message.window)

    @rule(hand=which, plan=at_work, fate=fates, seconds=st.sampled_from((0.0, 1.0, 6.0)))
    def a_worker_goes_on(self, hand: int, plan: Any, fate: str, seconds: float) -> None:
        """Until there is nothing more to do at this moment."""
        self.world.spend(seconds)
        self._hand(hand, plan, fate, self._until_quiet)

    def _until_quiet(self, hand: Hand) -> None:
        for _ in range(8):
            hand.tick()
            if not self.sick:
                self.world.health(("studio", "db"), "healthy")
            for stack in self.plain.stacks:
                hand.look(stack)
            if not hand.queued:
                return
            while hand.queued:
                hand.work()

    @rule(hand=which)
    def a_worker_is_undisturbed(self, hand: int) -> None:
        self._follow_marks(hand)

    def _follow_marks(self, number: int, rounds: int = FOLLOWED) -> None:
        """With events, calls and requests alone, and no poll, every window comes to its place."""
        world = self.world
        if world.away or world.children or world.late or world.files.version > 1:
            return
        for hand in self.hands:
            if hand is not self.hands[number % 2]:
                hand.die()
        hand = self.hands[number % 2]
        if not hand.up:
            self._begin(hand)
        for _ in range(rounds):
            hand.tick()
            hand.looks_without_polls()
            while hand.queued:
                hand.work()
            hand.looks_without_polls()
            world.spend(0.6)
        self.record.nothing_left_behind()

    # What becomes of the engine and of containers.

    @rule(what=st.sampled_from(MEANWHILE + MISHAPS), number=which)
    def something_happens(self, what: str, number: int) -> None:
        self._happens(what, number)

    @rule(
        service=st.sampled_from(NAMES),
        how=st.sampled_from(("start", "stop", "hang", "crash", "well", "well")),
    )
    def trouble(self, service: str, how: str) -> None:
        world = self.world
        troubles = {
            "start": world.will_not_start,
            "stop": world.will_not_stop,
            "hang": world.hang,
            "crash": world.will_crash,
        }
        for name, those in troubles.items():
            if name == how:
                those.add(service)
            elif how == "well":
                those.discard(service)

    def _started_by_hand(self, key: Key) -> None:
        if not self.world.alive(key):
            # In the middle of a look, its off may have been seen already and be on record a moment later.
            if not self.record.stop_pending(key) or any(hand.looking for hand in self.hands):
                self.plain.by_hand.add(key)
            self.world.start(key)

    def _sicken(self) -> None:
        self.sick = True
        self.world.health(("studio", "db"), "unhealthy")

    def _reboot(self) -> None:
        """Core comes back by itself, the rest does not."""
        for key in list(self.world.containers):
            self.world.end(key, 137)
        for stack in self.plain.stacks:
            self.world.start((stack, "redis"))

    def _child_ends(self, which: int) -> None:
        every = sorted(self.world.children)
        if every:
            self.world.finish_child(every[which % len(every)])

    # What becomes of the stacks.

    @rule(number=st.integers(-1, len(STUDIOS) - 1))
    def the_files_change(self, number: int) -> None:
        self._files_change(STUDIOS[number] if number >= 0 else None)
        for hand in self.hands:
            if hand.up:
                hand.reread()
        if not any(hand.up for hand in self.hands):
            self._begin(self.hands[0])
        self.record.stacks()

    def _files_change(self, spec: StackSpec | None) -> None:
        """To something else that is good, or to something that cannot be read."""
        self.world.files.change("studio", spec)
        # Core is always on, so what has been core may have been left on.
        roles = {one.name: one.role for one in spec.services.values()} if spec else {}
        self.plain.by_hand |= {("studio", name) for name, role in roles.items() if role is Role.CORE}
        self.world.files.write(self.world.config)

    # What must hold.

    def _judge(self, action: Action, key: Key, argv: Sequence[str]) -> None:
        """Is this call right, as things stood when it was decided on?"""
        stack, service = key
        with self.front.read() as session:
            call = session.scalars(
                select(Call)
                .where(Call.stack == stack, Call.service == service)
                .order_by(Call.id.desc())
                .limit(1)
            ).first()
        if call is None or call.status != CallStatus.RUNNING or tuple(call.argv) != tuple(argv):
            self.world.faults.append(f"{' '.join(argv)} is not on record")
            return
        self.record.moved()
        at, known_as = call.started_at, self.plain.stacks[stack].services.get(service)
        role = known_as.role if known_as else Role.NONE
        wanted = self.plain.wanted(stack, service, at)
        if role is Role.CORE:
            self.world.faults.append(f"{action} {service}, which is core")
        if action is Action.UP and not (wanted and role is Role.ALLOWED):
            self.world.faults.append(f"up {service} ({role}), which no live window holds")
        if action is not Action.UP and wanted:
            self.world.faults.append(f"{action} {service}, which a live window holds")

    @invariant()
    def what_must_hold_holds(self) -> None:
        self.stage.steps += 1
        self.record.moved()
        self.record.read_on()
        assert not self.world.faults, "\n".join(self.world.faults)

    # The guarantee.

    def teardown(self) -> None:
        try:
            self.everything_runs_again()
        finally:
            self.leave()

    def everything_runs_again(self) -> None:
        self._everything_runs_again()
        self.what_must_hold_holds()
        self.stage.seen.update(self.record.ways())
        self.stage.seen.update(calls=len(self.world.made), refusals=self.record.refused)

    def leave(self) -> None:
        for hand in self.hands:
            hand.die()
        self.world.forget()
        self._leaving.close()

    def _everything_runs_again(self) -> None:
        for hand in self.hands:
            hand.die()
        world = self.world
        world.spend(LONG.total_seconds())
        world.away = False
        for trouble in (world.will_not_stop, world.will_not_start, world.hang, world.will_crash):
            trouble.clear()
        for hand in self.hands:
            self._begin(hand)
        self._go_on(WITHIN)
        self.record.off_within(at_once=True)
        for _ in range(4):
            if not self.record.at_rest():
                world.spend(300)
                self._go_on(timedelta(seconds=4))
        self.record.moved()
        self.record.off_within(at_once=False)
        self.record.all_ended()
        self.record.verified()

    def _go_on(self, how_long: timedelta) -> None:
        until = self.world.now + how_long
        while self.world.now < until:
            for hand in self.hands:
                self._a_turn(hand)
            self.world.spend(2.0)
            if self.record.at_rest():
                return
