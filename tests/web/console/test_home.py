"""The first page: windows as cards, services as lines, and what it says where there is nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.usecases.nodes import published_stacks
from app.web.console.service_rows import published_url
from tests.system import System
from tests.web.console.conftest import Browser


def test_the_first_page_shows_services_and_who_holds_them(ada: Browser, system: System) -> None:
    window = ada.opened("forge", reason="to <see>")
    system.work()
    page = ada.get("/").text
    assert 'id="service-studio-forge" data-power="on"' in page
    assert f'href="/windows/{window}"' in page
    assert "to &lt;see&gt;" in page
    assert 'data-left="599.9' in page
    assert 'id="service-studio-forge" data-power="on"' in ada.get("/parts/home").text


def test_a_line_opens_its_service_once_for_as_long_as_its_button_says(ada: Browser, system: System) -> None:
    line = ada.get("/").text.partition('id="service-studio-forge"')[2].partition("</li>")[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', line)) | {"csrf": ada.csrf, "ttl": "30m"}
    first, second = ada.post("/open", **fields), ada.post("/open", **fields)
    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert system.window(first.location.rpartition("/")[2]).ttl_sec == 1800


def test_a_card_extends_by_so_much_and_leads_back(ada: Browser, system: System) -> None:
    window = ada.opened("forge")
    system.work()
    answer = ada.post(f"/windows/{window}/extend", by="15m", here="/")
    assert (answer.status_code, answer.location) == (303, "/")
    assert 1499 < (system.window(window).deadline - system.now).total_seconds() <= 1500
    assert ada.post(f"/windows/{window}/close", here="//elsewhere").location == f"/windows/{window}"


def test_the_first_page_says_what_to_do_next(ada: Browser, system: System) -> None:
    assert "Nothing is open yet" in ada.get("/").text
    ada.post(f"/windows/{ada.opened('forge')}/close")
    system.work()
    page = ada.get("/").text
    assert "Open again" in page
    assert 'href="/open?stack=studio&amp;services=forge&amp;ttl=10m"' in page


def test_a_service_whose_core_is_down_says_so(ada: Browser, system: System) -> None:
    system.finish("redis", 1)
    line = ada.get("/").text.partition('id="service-studio-db"')[2].partition("</li>")[0]
    assert "needs redis, which is failing" in line


def test_the_search_of_a_browser_without_scripts_lists_what_matches(ada: Browser) -> None:
    page = ada.get("/?q=FOR").text
    assert 'id="service-studio-forge"' in page
    assert 'id="service-studio-mill"' not in page


def test_a_rejected_stack_is_shown_with_every_fault(ada: Browser, system: System) -> None:
    faults = ["no file", "no <service>"]
    with system.database.write() as session:
        published_stacks.reject_stack(
            session, StackSpec(StackId("studio"), "studio", "local", {}), faults, system.now
        )
    page = ada.get("/").text
    assert '<span class="pill REJECTED"' in page
    assert page.partition("Rejected; nothing can be opened")[2].partition("</ul>")[0].count("<li>") == 2
    assert "no &lt;service&gt;" in page


@pytest.mark.parametrize(
    ("node", "address", "url"),
    [
        ("local", "", "http://localhost:8080/"),
        ("local", "nas.lan", "http://nas.lan:8080/"),
        ("far", "", None),
        ("far", "gpu.lan", "http://gpu.lan:8080/"),
    ],
)
def test_a_link_leads_to_the_node_of_its_stack_or_is_left_out(
    ada: Browser, system: System, node: str, address: str, url: str | None
) -> None:
    ada.opened("forge")
    system.work()
    spec = replace(
        system.spec,
        node=node,
        address=address,
        services={
            **system.spec.services,
            "forge": replace(system.spec.services["forge"], published=("8080",)),
        },
    )
    with system.database.write() as session:
        published_stacks.publish_stack(session, spec, system.now)
    page = ada.get("/").text
    assert (f'href="{url}"' in page) if url else ("8080" not in page)


@pytest.mark.parametrize(
    ("published", "host", "url"),
    [
        ("8080", "nas.example", "http://nas.example:8080/"),
        ("8443", "::1", "https://[::1]:8443/"),
        ("127.0.0.1:8080", "localhost", "http://localhost:8080/"),
        ("127.0.0.1:8080", "nas.example", ""),
        ("192.168.1.5:80", "nas.example", "http://192.168.1.5:80/"),
    ],
)
def test_the_link_to_a_published_port(published: str, host: str, url: str) -> None:
    assert published_url(published, host) == url
