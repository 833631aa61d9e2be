"""Secrets in text: by their values, by their names and by their form."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from app.domain import redaction

SECRETS = {
    "a login in an address": ("connect postgres://app:s3cr3t-word@db:5432/app failed", "s3cr3t-word"),
    "a login without a user": ("redis://:s3cr3tword@broker/0", "s3cr3tword"),
    "a token as the user": ("clone https://abcdef123456@git.example.org/x", "abcdef123456"),
    "a bearer header": ("Authorization: Bearer abc.DEF-123456", "abc.DEF-123456"),
    "a basic header": ("> authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    "a header with a bare token": ("X-Auth-Token: 0123456789abcdef", "0123456789abcdef"),
    "a key of AWS": ("using AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    "a secret of AWS": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    "a token of GitHub": ("remote: ghp_0123456789abcdefghij", "ghp_0123456789abcdefghij"),
    "a JSON Web Token": ("got eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "eyJzdWIiOi"),
    "a private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    "a variable": ("env: DB_PASSWORD=hunter2hunter", "hunter2hunter"),
    "a short variable": ("PGPASSWORD=abc psql", "abc"),
    "a quoted one": ('{"api_key": "k-123", "n": 1}', "k-123"),
    "one of YAML": ("  STRIPE_SECRET: 'two words'", "two words"),
    "one in a query": ("GET /?access_token=qwertz&x=1", "qwertz"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(kind: str) -> None:
    text, secret = SECRETS[kind]
    redacted = redaction.redact(text)
    assert secret not in redacted
    assert redaction.HIDDEN in redacted
    assert redaction.redact(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp 10.0.0.1:5432: connection refused",
        "No such image: registry.example.org/team/web@sha256:0123456789abcdef0123456789abcdef",
        "http://db:5432/path and https://docs.example.org/a?b=c",
        "the key is missing; set API_KEY",
        "monkey: banana; turnkey=yes",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redaction.redact(text) == text


def test_a_known_value_is_taken_out_however_it_is_written() -> None:
    value = 'p@ss "w/rd\\ & <x>'
    text = "\n".join([value, quote(value, safe=""), json.dumps(value), "p@ss &quot;w/rd\\ &amp; &lt;x&gt;"])
    assert redaction.redact(text, [value]).replace('"', "") == "\n".join([redaction.HIDDEN] * 4)


def test_values_are_known_by_the_names_of_their_variables() -> None:
    variables = {
        "DB_PASSWORD": "letmein-1",
        "API_TOKEN": "letmein-2",
        "SIGNING_KEY": "letmein-3",
        "MY_SECRET": "letmein-4",
        "DATABASE_URL": "mysql://u:letmein-5@db/x",
        "NAME": "not-secret",
        "SHORT_KEY": "on",
        "EMPTY_TOKEN": None,
    }
    assert redaction.values_of(variables) == {f"letmein-{number}" for number in range(1, 6)}


def test_parts_of_an_address_give_it_away() -> None:
    parts = redaction.parts_of(
        "https://user:passw0rd@hooks.example.org/services/T0AB12CD/xyzzy12?key=plugh12"
    )
    assert {"T0AB12CD", "xyzzy12", "plugh12", "passw0rd"} <= parts
    assert redaction.parts_of("http://[")


@pytest.mark.parametrize(
    "text", ["x-", "a.", "a://", "http://aaaa:", "bearer ", 'token="', "-----BEGIN ", "eyJaaaaaa."]
)
@pytest.mark.integration
def test_text_that_repeats_what_a_secret_begins_with_is_read_in_one_go(text: str) -> None:
    """With a form that is looked for from each place again, the first of these took 77 s."""
    assert redaction.redact(text * 40_000)
