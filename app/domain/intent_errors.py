"""Why a request for an intent was refused, or cannot be shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from app.domain import intents
from app.domain.errors import Conflict, Refusal, Unknown, Wrong


class UnknownIntent(Unknown):
    """No stack has an intent of this name; `allowed` has those that exist."""

    field = "intent"

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(intents.unknown_name(name, known), intent=name, allowed=sorted(known))


class IntentStackNeeded(Wrong):
    """Several stacks have an intent of this name, and the request names none of them."""

    field = "stack"

    def __init__(self, name: str, stacks: Iterable[str]) -> None:
        stacks = sorted(stacks)
        super().__init__(f"several stacks have {name!r}; say which: {', '.join(stacks)}", allowed=stacks)


class UnknownIntentRequest(Unknown):
    """No request has this id."""

    def __init__(self, request: str) -> None:
        super().__init__(f"there is no request {request!r} for an intent", request=request)


class UntilPassed(Wrong):
    """The time until which the services are wanted has passed."""

    field = "until"

    def __init__(self, until: str) -> None:
        super().__init__(f"until {until} has passed already; name a later time", given=until)


class TwoEnds(Wrong):
    """The request has a length and an end, which may differ."""

    field = "until"

    def __init__(self) -> None:
        super().__init__("give one of ttl_sec and until, not both")


class OwnRequest(Refusal):
    """The request has to be approved by another token than the one that made it."""

    def __init__(self, request: str, actor: str) -> None:
        super().__init__(
            f"request {request} was made by {actor!r}, and another token has to approve it", request=request
        )


class NotWaiting(Conflict):
    """The request does not wait for an approval."""

    def __init__(self, request: str, state: str) -> None:
        super().__init__(
            f"request {request} is {state} and waits for no approval", request=request, state=state
        )


class TooManyRequests(Conflict):
    """The node has as many unfinished requests as it may have."""

    def __init__(self, node: str, limit: int) -> None:
        super().__init__(
            f"node {node!r} has {limit} requests for intents that are not finished", node=node, limit=limit
        )
