# ruff: noqa: E501 - what programs write stays on one line
"""Wordings about what a program reaches over the network, and about the data of databases."""

from __future__ import annotations

from typing import Any

SERVER_WORDINGS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "name-not-resolved",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nsocket.gaierror: [Errno -3] Temporary failure in name resolution',
        {},
    ),
    ("name-not-resolved", "curl: (6) Could not resolve host: api.internal", {"container.exit_code": 6}),
    ("name-not-resolved", "wget: bad address 'db:80'", {}),
    (
        "name-not-resolved",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nurllib.error.URLError: <urlopen error [Errno -2] Name or service not known>',
        {},
    ),
    (
        "name-not-resolved",
        "redis.exceptions.ConnectionError: Error -2 connecting to cache:6379. Name or service not known.",
        {},
    ),
    (
        "connection-refused",
        "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.",
        {},
    ),
    (
        "connection-refused",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nurllib.error.URLError: <urlopen error [Errno 111] Connection refused>',
        {},
    ),
    (
        "connection-refused",
        "curl: (7) Failed to connect to db port 5432 after 0 ms: Couldn't connect to server",
        {"container.exit_code": 7},
    ),
    (
        "connection-refused",
        "waiting for db:5432 (attempt 0): connection refused, retrying in 1s\nwaiting for db:5432 (attempt 1): connection refused, retrying in 1s\nwaiting for db:5432 (attempt 2): connection refused, retrying in 1s\nwaiting for db:5432 (attempt 3): connection refused, retrying in 1s\nwaiting for db:5432 (attempt 4): connection refused, retrying in 1s\nwaiting for db:5432 (attempt 5): connection refused, retrying in 1s\ntimed out waiting for db",
        {},
    ),
    ("connection-refused", "nc: connect to db (172.18.0.2) port 5432 (tcp) failed: Connection refused", {}),
    (
        "wrong-password",
        'psycopg2.OperationalError: connection to server at "db" (172.18.0.2), port 5432 failed: FATAL:  password authentication failed for user "app"\n',
        {},
    ),
    (
        "wrong-password",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nRuntimeError: -WRONGPASS invalid username-password pair or user is disabled.',
        {},
    ),
    ("wrong-password", "RuntimeError: -NOAUTH Authentication required.", {}),
    (
        "wrong-password",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nRuntimeError: -ERR invalid password',
        {},
    ),
    (
        "wrong-password",
        'psql: error: connection to server at "db", port 5432 failed: fe_sendauth: no password supplied',
        {},
    ),
    ("disk-full", "dd: error writing '/data/x': No space left on device\n1+0 records in", {}),
    ("disk-full", "cp: write error: No space left on device", {}),
    ("disk-full", "sqlite3.OperationalError: database or disk is full", {}),
    (
        "migration-failed",
        'INFO applying migration 0012_add_email\nTraceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nsqlite3.OperationalError: duplicate column name: email',
        {},
    ),
    (
        "migration-failed",
        'Running migrations:\n  Applying app.0003...\nTraceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ndjango.db.utils.ProgrammingError: relation "app_user" already exists',
        {},
    ),
    (
        "migration-failed",
        'applying migrations... done\nTraceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nsqlite3.OperationalError: no such column: users.email',
        {},
    ),
    ("migration-failed", "migrate: error: migration 7 failed: syntax error", {}),
    (
        "version-mismatch",
        "FATAL:  database files are incompatible with server\nDETAIL:  The data directory was initialized by PostgreSQL version 12, which is not compatible with this version 16.3.",
        {},
    ),
    (
        "version-mismatch",
        "# Can't handle RDB format version 80\n# Fatal error loading the DB, check server logs. Exiting.",
        {},
    ),
    (
        "version-mismatch",
        "/app/server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /app/server)",
        {},
    ),
    ("version-mismatch", "RuntimeError: this application requires Python >= 3.13, found 3.11.2", {}),
    ("version-mismatch", "error: This version of app requires Node.js >= 20", {}),
    (
        "version-mismatch",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\npkg_resources.VersionConflict: (flask 1.0 (/usr/lib), Requirement.parse('flask>=3'))",
        {},
    ),
    ("version-mismatch", "protocol version mismatch: server 3, client 2", {}),
    (
        "certificate",
        "curl: (60) SSL certificate problem: self-signed certificate",
        {"container.exit_code": 60},
    ),
    (
        "certificate",
        'Get "https://x": x509: certificate has expired or is not yet valid: current time 2024-01-01T00:00:00Z is before 2025-01-01T00:00:00Z',
        {},
    ),
    (
        "certificate",
        "javax.net.ssl.SSLHandshakeException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target",
        {},
    ),
]
"""Each as the cause, what the program wrote, and the fields of the container."""
