# ruff: noqa: E501 - what programs write stays on one line
"""Wordings about what a program misses on its system, or may not do there."""

from __future__ import annotations

from typing import Any

SYSTEM_WORDINGS: list[tuple[str, str, dict[str, Any]]] = [
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
    ("gpu-unavailable", "RuntimeError: No CUDA GPUs are available", {}),
    ("gpu-unavailable", "nvidia-smi: command not found\nCUDA error: no CUDA-capable device is detected", {}),
    ("missing-entrypoint", "/bin/sh: 1: exec: nginxx: not found", {"container.exit_code": 127}),
    ("missing-entrypoint", "/bin/bash: line 1: gunicorn: command not found", {"container.exit_code": 127}),
    ("missing-entrypoint", "env: 'nodejs': No such file or directory", {"container.exit_code": 127}),
]
"""Each as the cause, what the program wrote, and the fields of the container."""
