"""Traces, from a request through its task to the compose call; nothing at all unless they are asked for.

They are on where OTEL_EXPORTER_OTLP_ENDPOINT is set and the packages of the extra `traces`
are installed. Spans leave by a thread of their own from a queue that forgets what it cannot
hold, so a receiver that is slow, silent or gone costs spans and nothing else. What a message
carries of a trace is a number to show beside others: it is checked for its form and orders
nothing.
"""

from __future__ import annotations

import atexit
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

HEADER = "traceparent"
EXPORT = 3.0
"""Seconds that one sending may take, where OTEL_EXPORTER_OTLP_TIMEOUT does not say otherwise."""
FAREWELL = 1.0
"""Seconds that a process stays at its end for the last spans to leave."""
_FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = logging.getLogger(__name__)


class _Tracing:
    """What this process traces with, if it does."""

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None


_tracing = _Tracing()


class Noted:
    """A span that takes further attributes; without tracing it ignores them."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def tell(self, **facts: str | int | None) -> None:
        """Add these facts as attributes, with a dot for `__`; leave out those that are None."""
        if self._span is not None:
            attributes = {name.replace("__", "."): fact for name, fact in facts.items() if fact is not None}
            self._span.set_attributes(attributes)


def begin(service: str, timeout_set: bool = False) -> None:
    """Trace from now on, under this name. Log why, where tracing is not possible, and go on without it."""
    if _tracing.provider is not None:
        return
    try:
        provider = _provider(service, timeout_set)
    except ImportError as error:
        log.warning("no traces: %s; install them with: pip install 'power-windows[traces]'", error)
        return
    except Exception as error:  # noqa: BLE001 - a fault of tracing must not stop windows
        log.warning("no traces: %s", error)
        return
    _tracing.provider, _tracing.tracer = provider, provider.get_tracer("power-windows")
    atexit.register(end)


def _provider(service: str, timeout_set: bool) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter() if timeout_set else OTLPSpanExporter(timeout=EXPORT)
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before our own name.
    resource = Resource({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def end() -> None:
    """Let the last spans leave, for as long as a farewell may take."""
    provider, _tracing.provider, _tracing.tracer = _tracing.provider, None, None
    if provider is not None:
        leaving = threading.Thread(target=provider.force_flush, name="traces", daemon=True)
        leaving.start()
        leaving.join(FAREWELL)


@contextmanager
def span(name: str, carried: object = None, **facts: str | int | None) -> Iterator[Noted]:
    """One span around a block, under the trace that was carried here, or else the span around it."""
    tracer = _tracing.tracer
    if tracer is None:
        yield Noted()
        return
    with tracer.start_as_current_span(name, context=_context(carried)) as current:
        noted = Noted(current)
        noted.tell(**facts)
        yield noted


def _context(carried: object) -> Any:
    """Return the trace that a header names; None, which means the present trace, for any other value."""
    if not isinstance(carried, str) or not _FORM.fullmatch(carried):
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({HEADER: carried})


def trace_headers() -> dict[str, str]:
    """What a message takes along of the present span: one header, or none."""
    if _tracing.tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return {HEADER: headers[HEADER]} if HEADER in headers else {}
