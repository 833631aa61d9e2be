# ruff: noqa: E501 - what programs write stays on one line
"""Wordings about variables, files and values that configure a program."""

from __future__ import annotations

from typing import Any

CONFIGURATION_WORDINGS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "missing-variable",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\n  File "<frozen os>", line 679, in __getitem__\nKeyError: \'PORT\'',
        {},
    ),
    ("missing-variable", "error: DATABASE_URL environment variable is required", {}),
    (
        "missing-variable",
        "Error: Missing required environment variable: STRIPE_KEY\n    at main (/app/x.js:1:1)",
        {},
    ),
    ("missing-variable", "/entry.sh: line 2: API_KEY: unbound variable", {}),
    ("missing-variable", "sh: API_KEY: parameter not set", {"container.exit_code": 2}),
    ("missing-variable", "RuntimeError: SECRET_KEY is not set", {}),
    (
        "missing-variable",
        "thread 'main' panicked at 'DATABASE_URL must be set: NotPresent', src/main.rs:9:37",
        {},
    ),
    ("missing-variable", "FATAL: PORT is not set", {}),
    ("missing-variable", "please set API_TOKEN", {}),
    (
        "missing-variable",
        "You need to specify one of the following as an environment variable:\n    - MYSQL_ROOT_PASSWORD\n    - MYSQL_ALLOW_EMPTY_PASSWORD\n    - MYSQL_RANDOM_ROOT_PASSWORD",
        {},
    ),
    ("missing-variable", "sys.exit: environment variable 'API_URL' missing", {}),
    (
        "missing-file",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nFileNotFoundError: [Errno 2] No such file or directory: '/run/secrets/db_password'",
        {},
    ),
    ("missing-file", "cat: /run/secrets/token: No such file or directory", {}),
    (
        "bad-configuration",
        "usage: app [-h] --mode {a,b}\napp: error: argument --mode: invalid choice: 'c' (choose from 'a', 'b')",
        {"container.exit_code": 2},
    ),
    (
        "bad-configuration",
        "*** FATAL CONFIG FILE ERROR (Valkey 9.1.2) ***\nReading the configuration file, at line 2\n>>> 'maxmemory-policy never'\nargument(s) must be one of the following: volatile-lru",
        {},
    ),
    (
        "bad-configuration",
        'nginx: [emerg] invalid port in "99999" of the "listen" directive in /etc/nginx/nginx.conf:5',
        {},
    ),
    ("bad-configuration", 'nginx: [emerg] unexpected "}" in /etc/nginx/nginx.conf:9', {}),
    (
        "bad-configuration",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nValueError: Unknown level: 'VERBOSE'",
        {},
    ),
    (
        "bad-configuration",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nport\n  Input should be a valid integer, unable to parse string as an integer [type=int_parsing, input_value='x', input_type=str]",
        {},
    ),
    (
        "bad-configuration",
        'LOG:  invalid value for parameter "max_connections": "many"\nFATAL:  configuration file "/etc/postgresql.conf" contains errors',
        {},
    ),
    (
        "bad-configuration",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ntomllib.TOMLDecodeError: Invalid value (at line 1, column 6)',
        {},
    ),
    (
        "bad-configuration",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nyaml.scanner.ScannerError: mapping values are not allowed here\n  in "config.yml", line 2, column 8',
        {},
    ),
    (
        "bad-configuration",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nconfigparser.MissingSectionHeaderError: File contains no section headers.',
        {},
    ),
]
"""Each as the cause, what the program wrote, and the fields of the container."""
