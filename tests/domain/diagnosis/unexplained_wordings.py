# ruff: noqa: E501 - what programs write stays on one line
"""Wordings that no rule may claim to know."""

from __future__ import annotations

from typing import Any

UNEXPLAINED_WORDINGS: list[tuple[str, str, dict[str, Any]]] = [
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
"""Each as the cause, what the program wrote, and the fields of the container."""
