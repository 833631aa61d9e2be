"""How intents, plans and requests look on a terminal and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.text import Text

from app.cli import output
from app.domain.intents import Approval, IntentOutcome, IntentState
from power_windows.payloads import Intent, IntentPlan, IntentRequest

LISTED_REQUESTS = 10
"""The newest requests that the list shows."""
_APPROVERS = {Approval.NONE: "-", Approval.PERSON: "asks", Approval.OTHER: "another token"}


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def show_intents(intents: Iterable[Intent]) -> None:
    """A table of intents, or how to write one."""
    table = output.TextTable(
        ("INTENT", "STACK", "SERVICES", "FOR", "APPROVAL", "DESCRIPTION"), loose={2: 14, 5: 16}
    )
    known = list(intents)
    for one in known:
        length = output.seconds(one["ttl_sec"]) if one["ttl_sec"] else "default"
        approval = _APPROVERS[Approval(one["approval"])]
        services = ", ".join(one["services"])
        table.add(one["name"], one["stack"], services, length, approval, one["description"])
    if known:
        table.show()
    else:
        output.note("no stack has an intent; write [intents.NAME] in power.toml")


def show_requests(requests: Iterable[IntentRequest]) -> None:
    """A table of requests, newest first; nothing where there are none."""
    table = output.TextTable(("REQUEST", "INTENT", "STATE", "BY", "DETAIL"), loose={4: 20})
    known = list(requests)
    for one in known:
        state = output.word(str(one["outcome"] or one["state"]))
        table.add(one["id"], one["intent"], state, one["actor"], output.harmless(one["detail"]))
    if known:
        output.say("")
        table.show()


def show_plan(plan: IntentPlan, *, changes: bool) -> None:
    """What a request does, in its order; `changes` says that it follows."""
    intent, opening = plan["intent"], plan["opening"]
    title = f"{intent['name']} on {opening['stack']}"
    output.say(Text.assemble((output.harmless(title), "bold"), f"  {output.harmless(intent['description'])}"))
    for build in plan["builds"]:
        at = build["last_built_at"]
        last = f"last built {output.clock(at)}" if at else "not built by an intent before"
        output.say(f"  build   {build['service']}, if its files have changed ({last})")
    for number, wave in enumerate(opening["waves"], start=1):
        output.say(f"  wave {number}  {', '.join(wave)}")
    if opening["already_on"]:
        output.say(f"  on      {', '.join(opening['already_on'])} (already)")
    for line in opening.get("missing_images", []):
        output.say(f"  lacks   {output.harmless(line)}")
    length = output.seconds(opening["ttl_sec"])
    output.say(f"  until   {output.clock(plan['until'])} ({length})")
    for check in intent["checks"]:
        output.say(f"  check   {check['name']}: {output.harmless(check['check'])}")
    if plan["waits"] and intent["approval"] == Approval.OTHER:
        output.say("  waits   for the approval of another token")
    if not changes:
        output.note("this is the plan; nothing has changed")


def show_request(request: IntentRequest) -> None:
    """How a request ended or, where it has not, how to go on."""
    name, identifier = request["intent"], request["id"]
    state = str(request["outcome"] or request["state"])
    headline = Text.assemble((output.harmless(name), "bold"), f"  request {identifier}  ", output.word(state))
    output.say(headline.append(f"  {output.harmless(_with_local_times(request['detail']))}"))
    if request["state"] == IntentState.WAITING:
        output.say(f"approve it with another token: power want --approve {identifier}")
    if request["window"] and request["outcome"] in {IntentOutcome.PASSED, IntentOutcome.FAILED}:
        output.say(f"close it with: power close {request['window']}")
    elif request["state"] != IntentState.FINISHED:
        output.say(f"cancel it with: power want --cancel {identifier}")


def _with_local_times(detail: str) -> str:
    """A sentence of the server with its times as this terminal shows times."""
    return _MOMENT.sub(lambda match: output.clock(match[0]), detail)
