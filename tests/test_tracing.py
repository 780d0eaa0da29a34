"""Traces: what a collector is told of a batch, how many are made, and that nothing is done where none are wanted."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.settings import Settings
from engine.tracing import TRACES_A_SECOND, Tracing, traces_endpoint
from schemas.errors import SettingsError

MS = 1_000_000
RECEIVED_MS = 1_790_000_000_000
SECOND_NS = 1_000_000_000


def spans(exporter: InMemorySpanExporter, tracing: Tracing) -> list[ReadableSpan]:
    """All spans of it, which ends it."""
    tracing.close()
    return list(exporter.get_finished_spans())


def batch(tracing: Tracing, received_ms: int = RECEIVED_MS, matched_ms: int = 5, sent_ms: int = 7) -> None:
    """Announced 3 ms after receipt, sent 7 ms after RECEIVED_MS."""
    tracing.batch(
        received_ms,
        RECEIVED_MS + 3,
        (RECEIVED_MS + matched_ms) * MS,
        (RECEIVED_MS + sent_ms) * MS,
        {"rows": 2, "delivery": "push"},
    )


def test_a_batch_is_one_trace_from_receipt_to_send_with_a_step_each() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    batch(tracing)
    found = {span.name: span for span in spans(exporter, tracing)}
    root = found["print"]
    assert root.parent is None
    assert dict(root.attributes or {}) == {"rows": 2, "delivery": "push"}
    assert root.resource.attributes["service.name"] == "flowtape-gateway"
    start = RECEIVED_MS * MS
    assert {name: (span.start_time, span.end_time) for name, span in found.items()} == {
        "print": (start, start + 7 * MS),
        "index": (start, start + 3 * MS),
        "match": (start + 3 * MS, start + 5 * MS),
        "batch": (start + 5 * MS, start + 7 * MS),
    }
    for name in ("index", "match", "batch"):
        parent = found[name].parent
        assert parent is not None
        assert parent.span_id == root.get_span_context().span_id
        assert found[name].get_span_context().trace_id == root.get_span_context().trace_id


@pytest.mark.parametrize(
    ("received", "matched"), [(RECEIVED_MS + 50, 5), (RECEIVED_MS + 4, 1), (RECEIVED_MS, 90)]
)
def test_with_clocks_that_differ_no_step_ends_before_it_began(received: int, matched: int) -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    batch(tracing, received, matched)
    found = spans(exporter, tracing)
    assert len(found) == 4
    for span in found:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time <= (RECEIVED_MS + 7) * MS


def test_the_share_of_batches_is_sampled() -> None:
    exporter = InMemorySpanExporter()
    chances = iter([0.0, 0.099, 0.1, 0.5, 0.999])
    tracing = Tracing(exporter, sample=0.1, chance=lambda: next(chances))
    for _ in range(5):
        batch(tracing)
    assert len(spans(exporter, tracing)) == 2 * 4


def test_no_more_traces_a_second_than_the_bound_however_many_are_sampled() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    for i in range(TRACES_A_SECOND * 10):
        batch(tracing, sent_ms=10 + i // 100)
    for _ in range(TRACES_A_SECOND * 10):
        batch(tracing, sent_ms=60_000)
    batch(tracing, sent_ms=30_000)
    assert len(spans(exporter, tracing)) == 2 * TRACES_A_SECOND * 4


def test_a_sample_of_nothing_and_no_exporter_are_not_enabled() -> None:
    for tracing in (Tracing(), Tracing(InMemorySpanExporter(), 0.0), Tracing.from_settings(Settings())):
        assert not tracing.enabled
        batch(tracing)
        tracing.close()


def test_after_its_end_it_does_nothing() -> None:
    tracing = Tracing(InMemorySpanExporter())
    assert tracing.enabled
    tracing.close()
    assert not tracing.enabled
    batch(tracing)
    tracing.close()


def python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    python("""
import sys
from engine.settings import Settings
from engine.tracing import Tracing
tracing = Tracing.from_settings(Settings())
tracing.batch(1, 2, 3, 4, {})
tracing.close()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
""")


def test_without_the_package_an_endpoint_is_an_error_that_names_the_extra() -> None:
    python("""
import sys
sys.modules["opentelemetry"] = None
from engine.settings import Settings
from engine.tracing import Tracing
from schemas.errors import SettingsError
assert not Tracing.from_settings(Settings()).enabled
try:
    Tracing.from_settings(Settings(otel_endpoint="http://127.0.0.1:4318"))
except SettingsError as error:
    assert "flowtape[otel]" in error.remedy
else:
    raise AssertionError("no error")
""")


@pytest.mark.parametrize(
    ("address", "posted_to"),
    [
        ("http://host:4318", "http://host:4318/v1/traces"),
        ("https://host/", "https://host/v1/traces"),
        ("https://host/own/path", "https://host/own/path"),
    ],
)
def test_the_address_of_a_collector_is_completed(address: str, posted_to: str) -> None:
    assert traces_endpoint(address) == posted_to


@pytest.mark.parametrize("address", ["host:4318", "grpc://host:4317", "http://", ""])
def test_what_is_no_address_of_a_collector_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="otel_endpoint"):
        Tracing.from_settings(Settings(otel_endpoint=address))


class Collector(HTTPServer):
    """Takes traces over HTTP and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_collector_receives_the_trace_over_http(collector: Collector) -> None:
    settings = Settings(otel_endpoint=f"http://127.0.0.1:{collector.server_port}", otel_sample=1)
    tracing = Tracing.from_settings(settings)
    assert tracing.enabled
    batch(tracing)
    tracing.close()
    ((path, request),) = collector.received
    assert path == "/v1/traces"
    (resource,) = request.resource_spans
    names = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert names["service.name"] == "flowtape-gateway"
    assert {span.name for scope in resource.scope_spans for span in scope.spans} == {
        "print",
        "index",
        "match",
        "batch",
    }


def test_a_collector_that_is_away_neither_raises_nor_holds_up_the_end_for_long() -> None:
    tracing = Tracing.from_settings(Settings(otel_endpoint="http://127.0.0.1:1", otel_sample=1))
    batch(tracing)
    tracing.close()
    assert not tracing.enabled
