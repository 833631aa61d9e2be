"""Addresses of database and broker: built for any path, and each slip of the pen named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

import migrations
from app import settings
from app.settings import VariableError, service_urls
from app.standalone import broker as brokers
from app.store.database import Database

ODD = [
    "a?b",
    "a%20b",
    "a#b",
    "a b",
    "100%",
    "%zz",
    "it's",
    'say "so"',
    "ü",
    "a;b",
    "a&b=c",
    "a@b:c",
    "[a]",
    "a*",
    "a\\b",
]


@pytest.mark.integration
@pytest.mark.parametrize("name", ODD)
def test_a_database_is_where_its_directory_is_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    loaded = settings.load({"POWER_DATA_DIR": str(directory)})

    migrations.upgrade(loaded.database_url)

    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (directory / "power.db").is_file()
    assert migrations.current(loaded.database_url) == migrations.head()
    database = Database(loaded.database_url)
    with database.read() as session:
        assert session.connection()
    assert Path(database.url.database or "") == directory / "power.db"
    database.close()
    with closing(sqlite3.connect(directory / "power.db")) as one:
        assert one.execute("SELECT version_num FROM alembic_version").fetchone()


@pytest.mark.parametrize("name", ODD)
def test_an_address_survives_being_handed_on_to_another_process(tmp_path: Path, name: str) -> None:
    loaded = settings.load({"POWER_DATA_DIR": str(tmp_path / name)})

    again = settings.load({"POWER_DATABASE_URL": loaded.database_url, "HOME": str(tmp_path)})

    assert again.database_url == loaded.database_url
    assert service_urls.file_of(again.database_url) == tmp_path / name / "power.db"
    assert make_url(str(make_url(loaded.database_url))) == make_url(loaded.database_url)


BROKERS_THAT_ARE_RIGHT = [
    "redis://127.0.0.1:6379/0",
    "redis://b",
    "redis://:p%23w%2F@b:6379/0",
    "redis://user:p@w@b/1",
    "rediss://:pw@b:6380/0?ssl_cert_reqs=required",
    "redis://[::1]:6379/0",
    "redis+socket:///run/redis.sock?virtual_host=2",
    "redis://a;redis://b",
    "amqp://guest:guest@b:5672//",
    "memory://",
]


@pytest.mark.parametrize("url", BROKERS_THAT_ARE_RIGHT)
def test_a_brokers_address_that_is_right_has_no_fault(url: str) -> None:
    assert service_urls.broker_faults(url) == []


BROKERS_THAT_ARE_WRONG = {
    "redis://:p#w@b:6379/0": "%23",
    "redis://:p/w@b:6379/0": "%2F",
    "redis://:12/w@b:6379/0": "%2F",
    "redis://:p?w@b/0": "%3F",
    "redis://:p[w@b/0": "%5B",
    "redis://:p;w@b/0": "%3B",
    "redis://b:6379/0#1": "%23",
    "sentinel://a;sentinel://b": "Sentinel",
    "sentinel://a:26379;sentinel://b:26379/0": "Sentinel",
    "rediss+sock://b": "redis+socket",
    "reddis://b:6379": "did you mean redis",
    "valkey://b": "did you mean redis",
    "unix:///run/redis.sock": "did you mean redis+socket",
    "http://b": "none of",
    "b:6379": "no address",
    "nonsense": "no address",
    " ": "a space",
    "redis://b: 6379": "a space",
    "redis://b:port/0": "'port'",
    "redis://b:70000/0": "'70000'",
    "redis://b/zero": "'zero'",
    "redis+socket://run/redis.sock": "absolute path",
    "redis+socket:///run/a#b.sock": "%23",
    "redis+socket:///run/r.sock?virtual_host=x": "'x'",
    "redis://a;reddis://b": "did you mean redis",
}


@pytest.mark.parametrize("url", BROKERS_THAT_ARE_WRONG)
def test_what_is_wrong_with_a_brokers_address_is_one_line_that_names_it(url: str) -> None:
    (line,) = broken({"POWER_BROKER_URL": url})

    assert line.startswith("POWER_BROKER_URL: ")
    assert BROKERS_THAT_ARE_WRONG[url] in line


DATABASES_THAT_ARE_RIGHT = [
    "sqlite:////var/lib/power.db",
    "sqlite+pysqlite:////var/lib/a%3Fb.db",
    "sqlite:////var/lib/power.db?timeout=5",
    "postgresql://db/power",
    "postgresql+psycopg://ada:p/w#x@db:5432/power?sslmode=verify-full",
    "postgresql+psycopg:///power?host=/run/postgresql",
    "postgresql+psycopg://ada@[::1]:5432/power",
]


@pytest.mark.parametrize("url", DATABASES_THAT_ARE_RIGHT)
def test_a_databases_address_that_is_right_has_no_fault(url: str) -> None:
    assert service_urls.database_faults(url) == []
    assert make_url(url)


DATABASES_THAT_ARE_WRONG = {
    "postgres://db/power": "did you mean postgresql",
    "postgresql+asyncpg://db/power": "did you mean postgresql",
    "postgresql+psycopg2://db/power": "did you mean postgresql+psycopg",
    "mysql://db/power": "none of",
    "sqlite:///power.db": "relative",
    "sqlite:///./power.db": "relative",
    "sqlite://power.db": "four slashes",
    "sqlite://": "in memory",
    "sqlite:///:memory:": "in memory",
    "sqlite:////var/a?b/power.db": "%3F",
    "postgresql://db:port/power": "'port'",
    "postgresql://a:1,b:2/power": "'1,b:2'",
    "postgresql://ada:p@w@db/power": "%40",
    "/var/lib/power.db": "no address",
    "postgresql://db/power\n": "a space",
}


@pytest.mark.parametrize("url", DATABASES_THAT_ARE_WRONG)
def test_what_is_wrong_with_a_databases_address_is_one_line_that_names_it(url: str) -> None:
    (line,) = broken({"POWER_DATABASE_URL": url})

    assert line.startswith("POWER_DATABASE_URL: ")
    assert DATABASES_THAT_ARE_WRONG[url] in line


def broken(environ: dict[str, str]) -> list[str]:
    with pytest.raises(VariableError) as caught:
        settings.load({"HOME": "/nowhere", **environ})
    return caught.value.faults


def test_no_password_is_printed(tmp_path: Path) -> None:
    wrong = {
        "POWER_BROKER_URL": "redis://:se#cret@b:6379/0",
        "POWER_DATABASE_URL": "postgres://ada:secret@db:5432/power",
    }
    lines = broken(wrong)

    assert len(lines) == 2
    assert not any("cret" in line for line in lines)


@pytest.mark.parametrize(
    "variable", ["POWER_DATA_DIR", "POWER_CONFIG", "POWER_NODE", "POWER_BROKER_URL", "POWER_DATABASE_URL"]
)
def test_a_stray_byte_in_any_variable_is_named(variable: str) -> None:
    (line,) = broken({variable: "/tmp/\udcff"})
    assert line.startswith(f"{variable}: ")


@pytest.mark.parametrize(
    ("variable", "given"),
    [("POWER_NODE", "gpu box"), ("POWER_AWAY", "perhaps"), ("POWER_PUBLIC_URL", "example.org")],
)
def test_other_variables_are_checked_too(variable: str, given: str) -> None:
    (line,) = broken({variable: given})
    assert line.startswith(f"{variable}: {given!r}")


def test_every_fault_is_reported_at_once() -> None:
    assert len(broken({"POWER_BROKER_URL": "x", "POWER_DATABASE_URL": "y", "POWER_NODE": "!"})) == 3


def test_a_variable_that_is_empty_counts_as_unset(tmp_path: Path) -> None:
    empty = dict.fromkeys(("POWER_BROKER_URL", "POWER_DATABASE_URL", "POWER_NODE", "POWER_DATA_DIR"), "")
    assert settings.load({"HOME": str(tmp_path), **empty}) == settings.load({"HOME": str(tmp_path)})


@pytest.mark.parametrize("note", ["", "redis+socket://:abc", "\0\0", "nonsense"])
def test_a_broken_note_of_the_embedded_broker_is_as_good_as_none(tmp_path: Path, note: str) -> None:
    (tmp_path / settings.BROKER_URL_FILE).write_text(note)
    assert settings.load({"POWER_DATA_DIR": str(tmp_path)}).broker_url == "redis://127.0.0.1:6379/0"


def test_the_broker_is_prepared_in_any_directory(tmp_path: Path) -> None:
    for name in ODD:
        directory = tmp_path / name
        directory.mkdir()
        made = brokers.prepare(directory)
        assert settings.load({"POWER_DATA_DIR": str(directory)}).broker_url == made.url
