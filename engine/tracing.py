"""Traces from print to batch, for whoever runs an OpenTelemetry collector (extra `otel`); otherwise nothing.

Nothing of OpenTelemetry is imported unless `otel_endpoint` is set.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import urlsplit, urlunsplit

from engine import __version__
from engine.settings import Settings
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

TRACES_A_SECOND: Final = 50
"""Traces made at most, of four spans each; more are left out, however many are sampled."""

QUEUE_SPANS: Final = 2_048
"""Spans that wait for the collector; more are dropped."""

EXPORT_S: Final = 5.0
"""How long the collector may take to answer."""

SERVICE: Final = "flowtape-gateway"

TRACES_PATH: Final = "/v1/traces"
"""Where a collector takes traces, unless the address says otherwise."""

Attribute = str | int | float | bool


class Chance(Protocol):
    """A number in [0, 1), evenly spread."""

    def __call__(self) -> float: ...


class Tracing:
    """Makes a trace of a batch: `print` from receipt to send, within it `index`, `match` and `batch`."""

    def __init__(
        self, exporter: SpanExporter | None = None, sample: float = 1.0, chance: Chance = random.random
    ) -> None:
        """Without `exporter` it does nothing. `sample` is the share of batches that are traced."""
        self.enabled: bool = exporter is not None and sample > 0
        self._sample, self._chance = sample, chance
        self._tokens, self._refilled_ns = float(TRACES_A_SECOND), 0
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None
        if exporter is not None and self.enabled:
            self._provider = _provider(exporter)
            self._tracer = self._provider.get_tracer("flowtape", __version__)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As the settings say. Raises SettingsError where they ask for traces that cannot be sent."""
        if settings.otel_endpoint is None or settings.otel_sample == 0:
            return cls()
        endpoint = traces_endpoint(settings.otel_endpoint)
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise SettingsError(
                "otel_endpoint is set, and OpenTelemetry is not installed.",
                'Install it with `pip install "flowtape[otel]"`, or unset FLOWTAPE_OTEL_ENDPOINT.',
            ) from None
        return cls(OTLPSpanExporter(endpoint, timeout=EXPORT_S), settings.otel_sample)

    def batch(
        self,
        trade_received_ms: int,
        announced_ms: int,
        matched_ns: int,
        sent_ns: int,
        attributes: Mapping[str, Attribute],
    ) -> None:
        """Trace one batch by its first trade, if it is sampled.

        Times are unix: when the feed received the print (ms), its entry on the tape (ms), when it had passed the
        filter and when the batch had been handed to the sockets (ns). Clocks of several machines differ: a step
        that would end before it began takes no time.
        """
        tracer = self._tracer
        if tracer is None or self._chance() >= self._sample or not self._may_trace(sent_ns):
            return
        from opentelemetry import trace

        received_ns = min(trade_received_ms * 1_000_000, sent_ns)
        announced_ns = min(max(announced_ms * 1_000_000, received_ns), sent_ns)
        between_ns = min(max(matched_ns, announced_ns), sent_ns)
        root = tracer.start_span("print", start_time=received_ns, attributes=attributes)
        within = trace.set_span_in_context(root)
        steps = (
            ("index", received_ns, announced_ns),
            ("match", announced_ns, between_ns),
            ("batch", between_ns, sent_ns),
        )
        for name, begun, ended in steps:
            tracer.start_span(name, within, start_time=begun).end(ended)
        root.end(sent_ns)

    def close(self) -> None:
        """Send what waits, and stop. Blocks for EXPORT_S at most; what the collector has not taken by then is lost."""
        if self._provider is not None:
            # The SDK itself would wait for half a minute.
            ending = threading.Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
            ending.start()
            ending.join(EXPORT_S)
            self._provider = self._tracer = None
            self.enabled = False

    def _may_trace(self, now_ns: int) -> bool:
        """Take one of the traces that this second still has."""
        passed_s = max(0, now_ns - self._refilled_ns) / 1e9
        self._refilled_ns = now_ns
        self._tokens = min(float(TRACES_A_SECOND), self._tokens + passed_s * TRACES_A_SECOND)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def traces_endpoint(address: str) -> str:
    """The address that traces are posted to. Raises SettingsError."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"otel_endpoint is {address!r}, which is no address of a collector.",
            "Expected http://host:4318, or https.",
        )
    return urlunsplit(parts._replace(path=TRACES_PATH)) if parts.path in ("", "/") else address


def _provider(exporter: SpanExporter) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, QUEUE_SPANS))
    return provider
