"""The specification is the routes, and the routes are the specification."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from app.domain import errors
from app.domain.features import Features
from app.web import problems, route_table
from app.web.api import openapi
from app.web.route_table import specification
from tests.web.caller import Caller


def test_every_route_that_is_served_is_in_the_specification_and_the_reverse(app: Flask) -> None:
    served = {
        (openapi.path_template(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        (path, verb) for path, verbs in specification(Features())["paths"].items() for verb in verbs
    }
    assert served == documented


def test_everything_that_is_referred_to_is_there(api: Caller) -> None:
    spec = api.get("/openapi.json").json
    assert spec["openapi"].startswith("3.1")
    referred = {part.partition('"')[0] for part in json.dumps(spec).split("#/components/schemas/")[1:]}
    assert referred <= set(spec["components"]["schemas"])


def test_every_operation_has_its_own_name_and_says_what_it_is_for() -> None:
    operations = [one for verbs in specification(Features())["paths"].values() for one in verbs.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["summary"] and one["responses"] for one in operations)


def test_the_page_shows_every_route_and_fetches_nothing(api: Caller) -> None:
    page = api.get("/docs").text
    for route in route_table.ROUTES:
        assert openapi.path_template(route.path) in page
    assert not any(word in page for word in ("http://", "https://", "src=", "@import"))


def _kinds_of_refusal(kind: type[errors.Refusal]) -> list[type[errors.Refusal]]:
    below = [one for child in kind.__subclasses__() for one in _kinds_of_refusal(child)]
    return below or [kind]


@pytest.mark.parametrize("kind", _kinds_of_refusal(errors.Refusal), ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_row_in_the_table(kind: type[errors.Refusal]) -> None:
    assert kind in problems.TABLE


def test_no_two_problems_share_a_type() -> None:
    kinds = {*problems.TABLE.values(), *problems.API_PROBLEMS}
    assert len({kind.uri for kind in kinds}) == len(kinds)
    assert 500 not in {kind.status for kind in kinds}
