"""`make demo`: the main job on real containers, told step by step.

Core comes up by hand, a window powers two services until its deadline, another tells of a service that
crashes, and at the end the engine itself is the witness that only core is left. Anything that deviates
from what is promised ends it with the reason and exit code 1.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from examples.vx11 import image, stage
from examples.vx11.narration import Narrator
from examples.vx11.stage import CORE, Standalone, expect

# Long enough to look at, short enough to wait for, where the start takes its usual time.
TTL, SHORT_TTL = 14, 9
USUAL_START = 11.0
CRASH = "ModuleNotFoundError: No module named 'switch'"

Json = dict[str, Any]


def main() -> int:
    """Play it all, and leave the machine as it was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tell = Narrator()
    try:
        refuse_company()
    except stage.NotAsPromised as reason:
        tell.bad(str(reason))
        return 1
    folder = Path(tempfile.mkdtemp(prefix="power-demo-"))
    try:
        with stage.swept():
            play(tell, folder / "data")
    except (stage.NotAsPromised, image.CannotBuild, httpx.HTTPError) as reason:
        tell.bad(str(reason) or repr(reason))
        show_log(tell, folder / "data.log")
        return 1
    shutil.rmtree(folder)
    tell.step("Done: the example's containers are gone too")
    tell.good("two windows opened, reported their services, closed on time, and are in the audit trail")
    return 0


def refuse_company() -> None:
    """Leave alone a project of this name that another user made, or that is in use."""
    strangers = stage.homes() - {str(stage.HERE)}
    expect(
        not strangers,
        f"a Compose project named vx11 is here already, from {', '.join(strangers)}; not touched",
    )
    # Containers without a standalone are left over from an earlier demo, and are cleared away.
    others = stage.other_standalones() if stage.running() else []
    expect(not others, f"the example is being served by {', '.join(others)}; stop that first (Ctrl-C)")


def play(tell: Narrator, data_dir: Path) -> None:
    """Tell the whole story, with a standalone that is gone at the end, whatever happens."""
    image_is_there(tell)
    began = time.monotonic()
    bring_core_up(tell)
    tell.step("Start Power Windows: web, worker, beat and an embedded broker, over SQLite")
    with stage.start(data_dir) as standalone:
        standalone.until_ready()
        tell.good(f"ready at {standalone.url}, process {standalone.process.pid}")
        # A busy machine takes longer for everything that follows, too.
        pace = min(max((time.monotonic() - began) / USUAL_START, 1.0), 6.0)
        with standalone.api() as api:
            first = open_two(tell, api, round(TTL * pace))
            second = open_one_that_crashes(tell, standalone, api, round(SHORT_TTL * pace))
            wait_for_deadlines(tell, api, [first, second])
            look_again(tell, standalone, api)
        read_the_record(tell, standalone)
        leave(tell, standalone)


def image_is_there(tell: Narrator) -> None:
    tell.step("Build the image of the example services from local files, without a registry")
    tell.good(image.ensure())


def bring_core_up(tell: Narrator) -> None:
    tell.step("Bring core up by hand: Power Windows never starts, stops or restarts core")
    stage.compose("down", "--remove-orphans", "--timeout", "5")
    code = tell.typed([*stage.COMPOSE, "up", "-d", *CORE], stage.QUIETLY, stage.HERE)
    expect(code == 0, f"docker compose up of core: exit {code}")
    tell.plain(stage.listing())
    expect(
        stage.running() == set(CORE), f"expected core alone to run, the engine runs {sorted(stage.running())}"
    )


def open_two(tell: Narrator, api: httpx.Client, ttl: int) -> Json:
    """Open a window over REST and watch its services become ready."""
    tell.step(f"Open a window on switch and hermes for {ttl} seconds (hermes needs a healthy switch)")
    tell.say("POST /api/v1/windows   Prefer: wait=60", "cyan")
    body = {"services": ["switch", "hermes"], "ttl_sec": ttl, "reason": "translate batch 7"}
    window = while_watching(
        tell, api, lambda: _asked(api.post("/windows", json=body, headers={"Prefer": "wait=60"}))
    )
    expect((window["state"], window["status"]) == ("open", "ok"), f"expected an open window, got {window}")
    for service, health in window["health"].items():
        expect(health["ready"], f"the window is open, but {service} is {health}")
    tell.good(f"window {window['id']} is open; {window['ttl_remaining_sec']:.1f} s left")
    tell.plain(stage.listing())
    wanted = {*CORE, "switch", "hermes"}
    expect(stage.running() == wanted, f"expected {sorted(wanted)}, the engine runs {sorted(stage.running())}")
    return window


def while_watching(tell: Narrator, api: httpx.Client, ask: Callable[[], Json]) -> Json:
    """Ask for something slow, and meanwhile tell each change of power that the stack reports."""
    answers: list[Json] = []
    faults: list[Exception] = []

    def asking() -> None:
        try:
            answers.append(ask())
        except (stage.NotAsPromised, httpx.HTTPError) as fault:
            faults.append(fault)

    thread = threading.Thread(target=asking)
    thread.start()
    seen = powers(api)
    while thread.is_alive():
        now = powers(api)
        for service in now:
            # A service that had not been inspected yet did not change with the inspection.
            if seen.get(service, "unknown") not in {now[service], "unknown"}:
                tell.say(f"{service}: {seen[service]} → {now[service]}")
        seen = now
        thread.join(0.1)
    if faults:
        raise faults[0]
    return answers[0]


def powers(api: httpx.Client) -> dict[str, str]:
    """The power of each service, as the stack reports it."""
    stack = _asked(api.get("/stacks/vx11"))
    return {service["name"]: service["power"] for service in stack["services"]}


def open_one_that_crashes(tell: Narrator, standalone: Standalone, api: httpx.Client, ttl: int) -> Json:
    """Open, as a user would type it, a service that works beside one that cannot."""
    tell.step("Open spawner and manifestator with the command; manifestator crashes on purpose")
    command = ["open", "manifestator", "spawner", "--ttl", str(ttl), "--reason", "see it crash"]
    code = tell.typed([stage.POWER, *command], standalone.environment)
    expect(code == 1, f"`power open` of a service that crashes should exit 1, it exited {code}")
    window: Json = _asked(api.get("/windows", params={"limit": 1}))["items"][0]
    health = window["health"]["manifestator"]
    expect(window["status"] == "partial", f"expected a partial window, got {window}")
    expect(
        window["health"]["spawner"]["ready"], f"spawner should be ready, it is {window['health']['spawner']}"
    )
    expect(CRASH in health["detail"], f"expected the reason {CRASH!r} in {health}")
    tell.good(
        f"status {window['status']}: spawner is on; manifestator is {health['power']}, for this reason:"
    )
    tell.say(f"  {CRASH}", "red")
    tell.typed([stage.POWER, "ps"], standalone.environment)
    return window


def wait_for_deadlines(tell: Narrator, api: httpx.Client, windows: list[Json]) -> None:
    """Wait until every window has closed at its deadline; check that none closed early."""
    tell.step("Wait for the deadlines; no window is closed by hand")
    for window in sorted(windows, key=lambda window: str(window["deadline"])):
        closed = until_closed(tell, api, window)
        late = _moment(closed["closed_at"]) - _moment(closed["deadline"])
        expect(late >= 0, f"window {closed['id']} was closed {-late:.3f} s before its deadline")
        tell.good(f"window of {', '.join(closed['services'])}: all off {late:.2f} s after its deadline")


def until_closed(tell: Narrator, api: httpx.Client, window: Json) -> Json:
    """Count down to the deadline, then wait until the window says closed."""
    give_up = time.monotonic() + float(window["ttl_remaining_sec"]) + 20
    what = ", ".join(window["services"])
    while time.monotonic() < give_up:
        window = _asked(api.get(f"/windows/{window['id']}"))
        if window["state"] == "closed":
            tell.countdown_over()
            return window
        tell.countdown(max(0.0, float(window["ttl_remaining_sec"] or 0)), what)
        time.sleep(0.1)
    raise stage.NotAsPromised(f"20 s after its deadline the window is still {window}")


def look_again(tell: Narrator, standalone: Standalone, api: httpx.Client) -> None:
    """Ask the product, then the engine, what is left."""
    tell.step("Check with Power Windows and with the engine that only core is left")
    tell.typed([stage.POWER, "stacks"], standalone.environment)
    mode: str = _asked(api.get("/stacks/vx11"))["mode"]
    expect(mode == "SOLO_CORE", f"expected mode SOLO_CORE, the stack says {mode}")
    tell.plain(stage.listing())
    left = stage.running()
    expect(left == set(CORE), f"expected exactly {sorted(CORE)}, the engine runs {sorted(left)}")
    tell.good(f"mode {mode}, {len(left)} containers")


def read_the_record(tell: Narrator, standalone: Standalone) -> None:
    tell.step("Read the audit trail, and verify its hash chain")
    for words in (["audit"], ["audit", "verify"]):
        code = tell.typed([stage.POWER, *words], standalone.environment)
        expect(code == 0, f"`power {' '.join(words)}` exited {code}")


def leave(tell: Narrator, standalone: Standalone) -> None:
    tell.step("Stop Power Windows with SIGTERM")
    code = standalone.stop()
    expect(code == 0, f"the standalone exited {code}")
    remaining = standalone.left_behind()
    expect(not remaining, f"the standalone left processes behind: {'; '.join(remaining)}")
    expect(stage.running() == set(CORE), f"core should still run, the engine runs {sorted(stage.running())}")
    tell.good("it exited 0, left no process behind, and core still runs")


def show_log(tell: Narrator, log: Path) -> None:
    """Show the last output of the standalone, to explain a failure."""
    if log.exists():
        tell.say(f"the end of the standalone's log, {log}:")
        tell.plain("\n".join(log.read_text(errors="replace").splitlines()[-40:]))


def _asked(reply: httpx.Response) -> Json:
    expect(reply.is_success, f"{reply.request.method} {reply.request.url}: {reply.status_code}: {reply.text}")
    answer: Json = reply.json()
    return answer


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    sys.exit(main())
