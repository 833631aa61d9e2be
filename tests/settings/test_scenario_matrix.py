"""`[matrix]`: its combinations, what is substituted, and its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings.errors import ConfigError
from app.settings.scenario_matrix import ScenarioFile, read_scenario_file

CYCLE = """
name = "cycle"
[matrix]
services = [["web"], ["web", "db"]]
variables = { PATH = ["/", "/health"], CODE = ["200"] }
[steps.answers]
http = { url = "http://127.0.0.1:8001${PATH}", headers = { X-Code = "${CODE}" } }
[steps.shell]
exec = { service = "web", argv = ["sh", "-c", "echo $${HOME} $HOME"] }
"""


def read(tmp_path: Path, text: str) -> ScenarioFile:
    path = tmp_path / "cycle.toml"
    path.write_text(text)
    return read_scenario_file(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    return [one.removeprefix(f"{tmp_path}/cycle.toml") for one in raised.value.faults]


def test_every_list_of_services_is_run_with_every_choice_of_values(tmp_path: Path) -> None:
    matrix = read(tmp_path, CYCLE)
    assert (matrix.name, matrix.has_matrix) == ("cycle", True)
    assert [one.label for one in matrix.combinations] == [
        "web, PATH=/, CODE=200",
        "web, PATH=/health, CODE=200",
        "web db, PATH=/, CODE=200",
        "web db, PATH=/health, CODE=200",
    ]
    last = matrix.combinations[-1]
    assert last.document == {
        "name": "cycle",
        "services": ["web", "db"],
        "steps": {
            "answers": {"http": {"url": "http://127.0.0.1:8001/health", "headers": {"X-Code": "200"}}},
            "shell": {"exec": {"service": "web", "argv": ["sh", "-c", "echo ${HOME} $HOME"]}},
        },
    }
    assert (last.services, last.variables) == (("web", "db"), {"PATH": "/health", "CODE": "200"})


def test_a_file_without_a_matrix_is_one_combination_and_nothing_is_replaced(tmp_path: Path) -> None:
    plain = 'name = "cycle"\nservices = ["web"]\n[steps.a]\nexec = { service = "web", argv = ["${HOME}"] }'
    matrix = read(tmp_path, plain)
    assert not matrix.has_matrix
    assert [(one.label, one.services) for one in matrix.combinations] == [("cycle", ("web",))]
    assert matrix.combinations[0].document["steps"]["a"]["exec"]["argv"] == ["${HOME}"]


def test_variables_alone_keep_the_services_of_the_file(tmp_path: Path) -> None:
    text = 'name = "cycle-${DB}"\nservices = ["${DB}"]\n[matrix]\nvariables = { DB = ["my", "pg"] }'
    matrix = read(tmp_path, text)
    assert matrix.name == "cycle-DB"
    assert [(one.document["name"], one.services) for one in matrix.combinations] == [
        ("cycle-my", ("my",)),
        ("cycle-pg", ("pg",)),
    ]


def test_a_number_may_be_a_variable(tmp_path: Path) -> None:
    text = 'name = "c"\nservices = ["web"]\n[matrix]\nvariables = { PORT = ["80", "x"] }\n'
    assert faults(tmp_path, text + '[steps.a]\ntcp = { port = "${PORT}" }') == [
        " (PORT=x): steps.a.tcp.port: Input should be a valid integer, unable to parse string as an integer"
    ]


def test_an_unknown_variable_is_named_with_its_place(tmp_path: Path) -> None:
    assert faults(tmp_path, CYCLE.replace("${PATH}", "${PAHT}").replace("$${HOME}", "${HOME}")) == [
        ": steps.answers.http.url: ${PAHT} is no variable of the matrix; did you mean PATH?",
        ": steps.shell.exec.argv.2: ${HOME} is no variable of the matrix; there is CODE, PATH",
    ]


def test_a_value_that_makes_a_scenario_invalid_is_named_with_its_combination(tmp_path: Path) -> None:
    text = CYCLE.replace("http://127.0.0.1:8001${PATH}", "${PATH}").replace('["/", "/health"]', '["ftp://x"]')
    assert faults(tmp_path, text)[0] == (
        " (web, PATH=ftp://x, CODE=200): steps.answers.http.url: "
        "must begin with http:// or https:// and name a host"
    )


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('images = ["a"]', ": matrix.images: Input should be a valid dictionary"),
        (
            'services = [["web"]]\nimages = { web = ["a:1", "a:1"] }',
            ": matrix.images: web has the same value",
        ),
        ('services = [["web"]]\nimages = { web = ["$A"] }', ": matrix.images.web.0: '$A' is no name of an"),
        ('servces = [["web"]]', ": matrix.servces: is not a key here; did you mean services?"),
        ("services = []", ": matrix.services: List should have at least 1 item"),
        ('services = ["web"]', ": matrix.services.0: Input should be a valid list"),
        ('services = [["a", "b"], ["b", "a"]]', ": matrix.services: names the same services twice"),
        ('services = [["web"]]\nvariables = { A = [1] }', ": matrix.variables.A.0: Input should be a valid"),
        ('services = [["web"]]\nvariables = { A = [] }', ": matrix.variables.A: List should have at least 1"),
        ('services = [["web"]]\nvariables = { A = ["x", "x"] }', ": matrix.variables: A has the same value"),
        ('services = [["web"]]\nvariables = { A = ["\\u0007"] }', ": matrix.variables.A.0: must have no"),
        (
            'services = [["web"]]\nvariables = { "A-B" = ["x"] }',
            ": matrix.variables.A-B: String should match",
        ),
    ],
)
def test_each_fault_names_its_place(tmp_path: Path, table: str, fault: str) -> None:
    assert faults(tmp_path, f'name = "cycle"\n[matrix]\n{table}')[0].startswith(fault)


def test_a_matrix_is_bounded(tmp_path: Path) -> None:
    values = ", ".join(f'"{number}"' for number in range(11))
    text = f'name = "c"\nservices = ["web"]\n[matrix]\nvariables = {{ A = [{values}], B = [{values}] }}'
    assert faults(tmp_path, text) == [": matrix: has 121 combinations; at most 100"]


def test_each_image_makes_a_combination_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cycle.toml"
    path.write_text(
        'name = "cycle"\nservices = ["web", "db"]\nimages = { db = "shop/db:1" }\n'
        '[matrix]\nimages = { web = ["shop/app:1", "shop/app:2"] }\nvariables = { A = ["x"] }\n'
    )
    read = read_scenario_file(path)

    assert [one.label for one in read.combinations] == ["web=shop/app:1, A=x", "web=shop/app:2, A=x"]
    assert [one.document["images"] for one in read.combinations] == [
        {"db": "shop/db:1", "web": "shop/app:1"},
        {"db": "shop/db:1", "web": "shop/app:2"},
    ]
