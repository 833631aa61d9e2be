# ruff: noqa: E501 - what programs write stays on one line
"""Wordings of common runtimes and servers, each with its cause; and ends that no rule may claim to know."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import from_fields
from app.domain.diagnosis.rules import diagnose
from app.settings.diagnosis_rules import read_rules

RULES = read_rules().rules
ENDED = {"container.state": "exited", "container.exit_code": 1}

WORDINGS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "missing-module",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nModuleNotFoundError: No module named 'yaml.foo'",
        {},
    ),
    (
        "missing-module",
        "Error: Cannot find module '/app/server.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1075:15)\n    at Module._load {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v20.1.0",
        {},
    ),
    (
        "missing-module",
        "/usr/bin/valkey-server: error while loading shared libraries: libssl.so.3: cannot open shared object file: No such file or directory",
        {"container.exit_code": 127},
    ),
    (
        "missing-module",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nImportError: libGL.so.1: cannot open shared object file: No such file or directory',
        {},
    ),
    (
        "missing-module",
        "perl: error: Can't locate Moose.pm in @INC (you may need to install the Moose module)",
        {},
    ),
    ("missing-module", "LoadError: cannot load such file -- bundler/setup", {}),
    ("missing-module", 'PHP Fatal error:  Uncaught Error: Class "Redis" not found in /app/a.php:3', {}),
    (
        "missing-path",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nFileNotFoundError: [Errno 2] No such file or directory: '/app/config/settings.toml'",
        {},
    ),
    (
        "missing-path",
        "panic: open config.yaml: no such file or directory\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d\nexit status 2",
        {},
    ),
    ("missing-path", "2024/05/01 10:00:00 main.go:12: stat /etc/app: no such file or directory", {}),
    (
        "missing-path",
        "thread 'main' panicked at src/main.rs:4:10:\ncalled `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }",
        {},
    ),
    ("missing-path", "bash: /opt/run.sh: No such file or directory", {"container.exit_code": 127}),
    ("missing-path", "/bin/sh: 0: cannot open /opt/run.sh: No such file", {"container.exit_code": 2}),
    ("missing-path", "/bin/sh: 0: Can't open /opt/run.sh", {"container.exit_code": 127}),
    ("missing-path", "/bin/sh: 1: cd: can't cd to /srv/app", {"container.exit_code": 2}),
    ("missing-path", "/bin/sh: 3: .: cannot open /etc/profile.env: No such file", {"container.exit_code": 2}),
    ("missing-path", "sed: can't read /etc/foo.conf: No such file or directory", {"container.exit_code": 2}),
    ("missing-path", "# Can't chdir to '/data/x': No such file or directory", {}),
    (
        "missing-path",
        "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 3\n>>> 'dir /data/x'\nNo such file or directory",
        {},
    ),
    (
        "missing-path",
        'nginx: [emerg] cannot load certificate "/etc/ssl/x.pem": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(/etc/ssl/x.pem, r) error:10000080:BIO routines::no such file)',
        {},
    ),
    (
        "missing-path",
        'postgres: could not access directory "/var/lib/postgresql/data": No such file or directory\nRun initdb or pg_basebackup to initialize a PostgreSQL data directory.',
        {},
    ),
    ("missing-path", "Error: Could not find or open file /x/y.conf: No such file or directory", {}),
    (
        "address-in-use",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nOSError: [Errno 98] Address already in use',
        {},
    ),
    (
        "address-in-use",
        "[ERROR] Connection in use: ('0.0.0.0', 8000)\n[ERROR] Retrying in 1 second.\n[ERROR] Connection in use: ('0.0.0.0', 8000)\n[ERROR] Retrying in 1 second.\n[ERROR] Connection in use: ('0.0.0.0', 8000)\n[ERROR] Can't connect to ('0.0.0.0', 8000)",
        {},
    ),
    (
        "address-in-use",
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
        {},
    ),
    ("address-in-use", "Caused by: java.net.BindException: Address already in use (Bind failed)", {}),
    (
        "out-of-memory",
        "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw(0x5)",
        {"container.exit_code": 2},
    ),
    (
        "out-of-memory",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nnumpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array',
        {},
    ),
    ("out-of-memory", "MemoryError", {}),
    ("not-executable", "/bin/sh: 1: /app/run: Permission denied", {"container.exit_code": 126}),
    (
        "crlf",
        "/usr/bin/env: ‘bash\\r’: No such file or directory\n/usr/bin/env: use -[v]S to pass options in shebang lines",
        {"container.exit_code": 127},
    ),
    (
        "crlf",
        "/entry.sh: 2: set: Illegal option -",
        {"container.exit_code": 2, "entry.crlf": True, "entry.path": "/entry.sh"},
    ),
    (
        "crlf",
        "/entry.sh: line 3: $'\\r': command not found\n/entry.sh: line 5: syntax error near unexpected token `$'do\\r''",
        {"container.exit_code": 2},
    ),
    ("crlf", "/entry.sh: 4: cd: can't cd to /tmp\\r", {"container.exit_code": 2}),
    (
        "permission",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nPermissionError: [Errno 13] Permission denied: '/var/log/app.log'",
        {"container.root": False},
    ),
    (
        "permission",
        "Error: EACCES: permission denied, mkdir '/app/.cache'\n    at Object.mkdirSync (node:fs:1391:26)",
        {"container.root": False},
    ),
    ("permission", "# Can't open the log file: Permission denied", {}),
    ("permission", "mkdir: cannot create directory ‘/opt/x’: Permission denied", {}),
    ("permission", "touch: cannot touch '/opt/x': Permission denied", {}),
    ("permission", "listen tcp :80: bind: permission denied", {}),
    (
        "permission",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nPermissionError: [Errno 13] Permission denied',
        {},
    ),
    (
        "volume-owner",
        "mkdir: cannot create directory '/data/x': Permission denied",
        {"container.mounts": ["/data"], "container.foreign_mounts": ["/data"], "container.root": False},
    ),
    ("read-only-path", "touch: cannot touch '/data/x': Read-only file system", {}),
    ("read-only-path", "sh: can't create /etc/x: Read-only file system", {}),
    (
        "read-only-path",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nOSError: [Errno 30] Read-only file system: 'out.txt'",
        {},
    ),
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
    ("gpu-unavailable", "RuntimeError: No CUDA GPUs are available", {}),
    ("gpu-unavailable", "nvidia-smi: command not found\nCUDA error: no CUDA-capable device is detected", {}),
    ("missing-entrypoint", "/bin/sh: 1: exec: nginxx: not found", {"container.exit_code": 127}),
    ("missing-entrypoint", "/bin/bash: line 1: gunicorn: command not found", {"container.exit_code": 127}),
    ("missing-entrypoint", "env: 'nodejs': No such file or directory", {"container.exit_code": 127}),
    ("unknown", "SyntaxError: invalid syntax", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nSyntaxError: invalid syntax',
        {},
    ),
    ("unknown", "AssertionError", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nAssertionError',
        {},
    ),
    ("unknown", "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\npanic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:',
        {},
    ),
    ("unknown", "Error: boom\n    at x (/a.js:1:1)", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nError: boom\n    at x (/a.js:1:1)',
        {},
    ),
    ("unknown", "FATAL: something", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nFATAL: something',
        {},
    ),
    ("unknown", "KeyError: 'name'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nKeyError: 'name'",
        {},
    ),
    ("unknown", "KeyError: 'users'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nKeyError: 'users'",
        {},
    ),
    ("unknown", "TypeError: unsupported operand type(s)", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nTypeError: unsupported operand type(s)',
        {},
    ),
    ("unknown", "ZeroDivisionError: division by zero", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nZeroDivisionError: division by zero',
        {},
    ),
    ("unknown", "RuntimeError: order 17 was refused by policy", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nRuntimeError: order 17 was refused by policy',
        {},
    ),
    ("unknown", "ValueError: not enough values to unpack", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nValueError: not enough values to unpack',
        {},
    ),
    ("unknown", "license expired", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nlicense expired',
        {},
    ),
    ("unknown", "user ada: access denied", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nuser ada: access denied',
        {},
    ),
    ("unknown", "Payment failed: card expired", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nPayment failed: card expired',
        {},
    ),
    ("unknown", "error: job 7 failed: HTTP 500", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nerror: job 7 failed: HTTP 500',
        {},
    ),
    ("unknown", "job migrated 3 users; failed to send mail", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\njob migrated 3 users; failed to send mail',
        {},
    ),
    ("unknown", "NotImplementedError", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nNotImplementedError',
        {},
    ),
    ("unknown", "java.lang.NullPointerException: x\n\tat A.b(A.java:3)", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\njava.lang.NullPointerException: x\n\tat A.b(A.java:3)',
        {},
    ),
    ("unknown", "Segmentation", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nSegmentation',
        {},
    ),
    ("unknown", "token expired for user 5", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ntoken expired for user 5',
        {},
    ),
    ("unknown", "invalid order id", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ninvalid order id',
        {},
    ),
    ("unknown", "could not parse answer of upstream", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ncould not parse answer of upstream',
        {},
    ),
    ("unknown", "authentication of customer 5 failed; locked\nAssertionError: locked", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nauthentication of customer 5 failed; locked\nAssertionError: locked',
        {},
    ),
    ("unknown", "upstream closed the connection", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nupstream closed the connection',
        {},
    ),
    ("unknown", "Timeout waiting for lock", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nTimeout waiting for lock',
        {},
    ),
    ("unknown", "AttributeError: 'NoneType' object has no attribute 'x'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nAttributeError: 'NoneType' object has no attribute 'x'",
        {},
    ),
    ("unknown", "IndexError: list index out of range", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nIndexError: list index out of range',
        {},
    ),
    ("unknown", "RecursionError: maximum recursion depth exceeded", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nRecursionError: maximum recursion depth exceeded',
        {},
    ),
    ("unknown", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xff",
        {},
    ),
    ("unknown", "AttributeError: module 'x' has no attribute 'y'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nAttributeError: module 'x' has no attribute 'y'",
        {},
    ),
    ("unknown", "Error: schema drift in report; 3 columns missing", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nError: schema drift in report; 3 columns missing',
        {},
    ),
    ("unknown", "exiting: stock level must be checked", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nexiting: stock level must be checked',
        {},
    ),
    ("unknown", "KeyError: 'EUR'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nKeyError: 'EUR'",
        {},
    ),
    ("unknown", "KeyError: 'US'", {}),
    (
        "unknown",
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    x()\nKeyError: 'US'",
        {},
    ),
    ("unknown", "deadlock detected", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\ndeadlock detected',
        {},
    ),
    ("unknown", "assertion failed: version == 3", {}),
    (
        "unknown",
        'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    x()\nassertion failed: version == 3',
        {},
    ),
]

OF_THE_APPLICATION = (
    "ConflictError: version mismatch for order 7",
    "route /api/v2/orders does not exist",
    "OSError: [Errno 22] Invalid argument",
    "KeyError: 'ORDER_ID'",
    "invalid value in line 7 of the report",
)


@pytest.mark.parametrize("log", OF_THE_APPLICATION)
def test_words_of_the_application_are_no_cause(log: str) -> None:
    assert not diagnose(Facts.of(from_fields(ENDED | {"log": log})), RULES)[0].is_known


@pytest.mark.parametrize(("cause", "log", "fields"), WORDINGS)
def test_a_wording_has_its_cause(cause: str, log: str, fields: dict[str, Any]) -> None:
    best = diagnose(Facts.of(from_fields(ENDED | fields | {"log": log})), RULES)[0]

    assert best.cause == cause, best
