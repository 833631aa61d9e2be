"""The tables, as typed rows. What they mean is in docs; how they came to be is in migrations.

Leases have no state of their own: a lease lives exactly as long as its window is
live and before its deadline, so desired power is always computed and never stored.
"""

from __future__ import annotations

from app.store.tables.audit import ChainHead, Entry, Mark
from app.store.tables.auth import ConsoleSession, Link, Token, Wake
from app.store.tables.base import LONGEST_MS, BigId, Closed, EnumColumn, Moment, Table, insert_if_new, stamp
from app.store.tables.clock import Boot, ClockOffset
from app.store.tables.diagnoses import Diagnosis
from app.store.tables.intents import BuildOutput, IntentRequest, ServiceBuild
from app.store.tables.nodes import LoopFailures, Node, Worker
from app.store.tables.notifications import Delivery, Notice, NoticePlace
from app.store.tables.runs import ScenarioRun
from app.store.tables.samples import Sample
from app.store.tables.stacks import Service, Stack
from app.store.tables.windows import Call, IdempotencyKey, Lease, LogRead, Window

__all__ = [
    "LONGEST_MS", "BigId", "Boot", "BuildOutput", "Call", "ChainHead", "ClockOffset", "Closed",
    "ConsoleSession", "Delivery", "Diagnosis", "Entry", "EnumColumn", "IdempotencyKey", "IntentRequest",
    "Lease", "Link", "LogRead", "LoopFailures", "Mark", "Moment", "Node", "Notice", "NoticePlace", "Sample",
    "ScenarioRun", "Service", "ServiceBuild", "Stack", "Table", "Token",
    "Wake", "Window", "Worker", "insert_if_new", "stamp",
]  # fmt: skip
