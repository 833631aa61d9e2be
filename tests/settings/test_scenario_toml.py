"""A scenario is read whole or refused with every fault, each with its file, step and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.scenarios import (
    CheckKind,
    ExecCheck,
    FileCheck,
    HttpCheck,
    LogCheck,
    Metric,
    MetricCheck,
    TcpCheck,
)
from app.settings import ConfigError
from app.settings.scenario_toml import as_document, parse_scenario, read_scenario


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cycle.toml"
    path.write_text(text)
    return path


def faults(text: str, tmp_path: Path) -> list[str]:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        read_scenario(path)
    return [line.removeprefix(f"{path}: ") for line in raised.value.faults]


HEAD = 'name = "cycle"\nservices = ["forge"]\n'


def test_every_kind_of_check_is_read(tmp_path: Path) -> None:
    text = """
name = "cycle"
stack = "studio"
services = ["forge", "mill"]
ttl = "5m"
fresh = true

[steps.answers]
retries = 5
every = "2s"
timeout = 3
[steps.answers.http]
url = "https://127.0.0.1:8443/health"
method = "POST"
body = "{}"
status = 201
verify = false
json = { "state.0" = "ok" }

[steps.listens]
tcp = { port = 8001 }

[steps.works]
exec = { service = "forge", argv = ["true"], pattern = "^$" }
depends_on = ["answers", "listens", "answers"]

[steps.quiet]
log = { service = "mill", pattern = "Traceback", seen = false }

[steps.small]
metric = { service = "mill", metric = "memory_mib", at_most = 64 }

[steps.written]
file = { service = "mill", path = "/tmp/done", exists = true }
"""
    scenario = parse_scenario(read_scenario(written(tmp_path, text)), "cycle.toml")

    assert (scenario.name, scenario.stack, scenario.services) == ("cycle", "studio", ("forge", "mill"))
    assert (scenario.ttl, scenario.fresh) == (300.0, True)
    answers = scenario.steps["answers"]
    assert (answers.kind, answers.retries, answers.every, answers.timeout) == (CheckKind.HTTP, 5, 2.0, 3.0)
    assert answers.check == HttpCheck(
        "https://127.0.0.1:8443/health", "POST", {}, "{}", 201, json={"state.0": "ok"}, verify=False
    )
    assert scenario.steps["listens"].check == TcpCheck("127.0.0.1", 8001)
    assert scenario.steps["works"].check == ExecCheck("forge", ("true",), pattern="^$")
    assert scenario.steps["works"].depends_on == ("answers", "listens")
    assert scenario.steps["quiet"].check == LogCheck("mill", "Traceback", seen=False)
    assert scenario.steps["small"].check == MetricCheck("mill", Metric.MEMORY, 64.0)
    assert scenario.steps["written"].check == FileCheck("mill", "/tmp/done")
    assert scenario.checked_services() == {"forge": ["works"], "mill": ["quiet", "small", "written"]}
    assert parse_scenario(as_document(scenario), "again") == scenario


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("services = []", "name: is missing"),
        (HEAD + "tll = 3", "tll: is not a key here; did you mean ttl?"),
        (HEAD + "ttl = '3 parsecs'", "ttl: '3 parsecs' is not a duration; write 90, 90s, 30m or 1h30m"),
        (HEAD + "[steps.one]", "steps.one: has no check; write one of http, tcp, exec, log, metric, file"),
        (
            HEAD + "[steps.one]\ntcp = { port = 1 }\nfile = { service = 'forge', path = '/a' }",
            "steps.one: has tcp and file; write one of http, tcp, exec, log, metric, file",
        ),
        (HEAD + "[steps.one]\ntcp = { port = 0 }", "steps.one.tcp.port: Input should be greater than"),
        (HEAD + "[steps.one]\nhtp = {}", "steps.one.htp: is not a key here; did you mean http?"),
        (
            HEAD + "[steps.one.http]\nurl = 'http://a/'\nexpected_headers = {}",
            "steps.one.http.expected_headers: is not a key here; did you mean expect_headers?",
        ),
        (
            HEAD + "[steps.one.http]\nurl = 'file:///etc/passwd'",
            "steps.one.http.url: must begin with http:// or https://",
        ),
        (
            HEAD + "[steps.one.http]\nurl = 'http://ada:secret@a/'",
            "steps.one.http.url: must have no user and password",
        ),
        (
            HEAD + "[steps.one.log]\nservice = 'forge'\npattern = '('",
            "steps.one.log.pattern: is no regular expression",
        ),
        (
            HEAD + "[steps.one.file]\nservice = 'forge'\npath = 'etc'",
            "steps.one.file.path: must be an absolute path",
        ),
        (
            HEAD + "[steps.one.metric]\nservice = 'forge'\nmetric = 'cpu'\nat_most = 1",
            "steps.one.metric.metric: Input should be 'cpu_percent'",
        ),
        (
            HEAD + "[steps.one]\ntcp = { port = 1 }\ndepends_on = ['tow']\n[steps.two]\ntcp = { port = 1 }",
            "steps.one.depends_on: 'tow' is no step; did you mean two?",
        ),
        (
            HEAD + "[steps.one]\ntcp = { port = 1 }\ndepends_on = ['two']\n"
            "[steps.two]\ntcp = { port = 1 }\ndepends_on = ['one']",
            "depends_on: is a cycle: ",
        ),
        (HEAD + "[steps.one]\ntcp = { port = 1 }\nevery = 0.01", "steps.one.every: is too short"),
        (HEAD + "[steps.one.http]\nurl = 'https://a/'\nca = 'gone.pem'", "steps.one.http.ca: cannot be read"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_fault_names_the_step_and_the_key_and_what_would_be_right(
    text: str, fault: str, tmp_path: Path
) -> None:
    lines = faults(text, tmp_path)
    assert any(fault in line for line in lines), lines


def test_every_fault_is_named(tmp_path: Path) -> None:
    assert len(faults("nme = 1\nfresh = 2", tmp_path)) == 4


def test_a_certificate_is_read_from_beside_the_scenario(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.pem").write_text(pem)
    text = HEAD + "[steps.one.http]\nurl = 'https://a/'\nca = 'ca.pem'"
    check = parse_scenario(read_scenario(written(tmp_path, text)), "here").steps["one"].check
    assert isinstance(check, HttpCheck)
    assert check.ca == pem


@pytest.mark.parametrize(
    "document", [None, [], "text", {"steps": 3}, {"steps": {"a": 3}}, {"name": "\ud800"}]
)
def test_any_document_is_refused_in_words(document: Any) -> None:
    with pytest.raises(ConfigError):
        parse_scenario(document, "the scenario")


def test_an_unknown_key_hides_no_unknown_step() -> None:
    steps = {"page": {"tcp": {"port": 1}}, "next": {"tcp": {"port": 1}, "retrys": 1, "depends_on": ["pag"]}}
    with pytest.raises(ConfigError) as caught:
        parse_scenario({"name": "a", "services": ["web"], "steps": steps}, "s.toml")

    assert caught.value.faults[1:] == ["s.toml: steps.next.depends_on: 'pag' is no step; did you mean page?"]
    assert "steps.next.retrys: is not a key here" in caught.value.faults[0]
