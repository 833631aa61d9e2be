"""Names in paths that may have their namespace in front: `/stacks/team_a/studio`.

The segment `<name>` of these routes takes such a name as one value, so that an operator can name a stack or
token of any namespace. The routes and the metrics about them keep the plain path.
"""

from __future__ import annotations

from werkzeug.routing import BaseConverter, Map

_NAMED = ("/stacks/<name>", "/tokens/<name>")
_PLAIN, _QUALIFIED = "<name>", "<qualified:name>"


class QualifiedNameConverter(BaseConverter):
    """`name`, or `namespace/name`; a namespace does not come before the words of a route."""

    part_isolating = False
    regex = r"(?:[a-z][a-z0-9_-]{0,38}/(?!relocate$|services/))?[^/]+"


def install(url_map: Map) -> None:
    """Let the rules of an application use the converter."""
    url_map.converters["qualified"] = QualifiedNameConverter


def rule_of(path: str) -> str:
    """The path of a route as a rule."""
    is_named = any(one in path for one in _NAMED)
    return path.replace(_PLAIN, _QUALIFIED) if is_named else path


def path_of(rule: str) -> str:
    """The path of the route of this rule."""
    return rule.replace(_QUALIFIED, _PLAIN)
