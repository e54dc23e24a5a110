"""OpenTelemetry spans for every request: the extra ``otel``.

env = CodingEnv(url, observers=[OpenTelemetry()])
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import EnvError, MissingExtra
from .observers import Observer, ReplyEvent, RequestEvent, RetryEvent

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider


class OpenTelemetry(Observer):
    """A client span for each request. Its context is sent along if the request carries headers.

    Spans are named ``<env> <operation>``. They have the attributes ``envgen.env``,
    ``envgen.operation``, ``envgen.request_id``, ``server.address`` and ``server.port``; after a
    reset or step ``envgen.reward`` and ``envgen.done``; after an error ``error.type`` and
    ``envgen.maybe_applied``. Retries are events of the span.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        """Use ``tracer_provider``, or the global one. MissingExtra: it isn't installed."""
        try:
            from opentelemetry import propagate, trace
        except ImportError as error:
            raise MissingExtra("OpenTelemetry", extra="otel") from error
        self._trace = trace
        self._propagate = propagate
        self._tracer = trace.get_tracer("envgen_runtime", tracer_provider=tracer_provider)
        self._spans: dict[int, Span] = {}

    def on_request(self, event: RequestEvent) -> None:
        """Start a span."""
        server = urlsplit(event.url)
        span = self._tracer.start_span(
            f"{event.env_name} {event.operation}",
            kind=self._trace.SpanKind.CLIENT,
            attributes={
                "envgen.env": event.env_name,
                "envgen.operation": event.operation,
                "envgen.request_id": event.request_id,
                "server.address": server.hostname or "",
                "server.port": server.port or (443 if server.scheme == "https" else 80),
            },
        )
        self._spans[id(event)] = span
        self._propagate.inject(event.headers, context=self._trace.set_span_in_context(span))

    def on_retry(self, event: RetryEvent) -> None:
        """Note the attempt that failed."""
        span = self._spans.get(id(event.request))
        if span is not None:
            span.add_event(
                "retry",
                {"error.type": type(event.error).__name__, "envgen.delay_s": event.delay_s},
            )

    def on_reply(self, event: ReplyEvent) -> None:
        """End the span."""
        span = self._spans.pop(id(event.request), None)
        if span is None:
            return
        for name in ("reward", "done"):
            value = (event.payload or {}).get(name)
            if isinstance(value, int | float):
                span.set_attribute(f"envgen.{name}", value)
        if event.error is not None:
            span.set_attribute("error.type", type(event.error).__name__)
            if isinstance(event.error, EnvError):
                span.set_attribute("envgen.maybe_applied", event.error.maybe_applied)
            span.set_status(self._trace.StatusCode.ERROR, str(event.error))
        span.end()
