from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.tracing import otlp_provider
from convrec.settings import load_settings
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

PROMPTS = Path(__file__).parents[3] / "prompts"
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_request_has_a_span_and_its_stages_are_in_it(tmp_path: Path) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as small:
        info = ServerInfo("fake-lm", "0", 0.0)
        app = create_app(RecommenderSlot(small), info=info, tracer=provider.get_tracer("test"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            said = {"model": "convrec", "messages": [{"role": "user", "content": "a Syrah"}], "user": "secret-ann"}
            assert (await client.post("/v1/chat/completions", json=said, headers=headers)).status_code == 200
            await client.get("/v1/items/secret-item")
    chat, item = (span for span in spans.get_finished_spans() if span.name.isupper() or "/" in span.name)
    assert (chat.name, item.name) == ("POST /v1/chat/completions", "GET /v1/items/{item_id:path}")
    assert f"{chat.context.trace_id:032x}" == TRACE
    assert (chat.attributes or {})["http.response.status_code"] == 200
    assert (item.attributes or {})["http.response.status_code"] == 404
    stages = [
        span for span in spans.get_finished_spans() if span.parent and span.parent.span_id == chat.context.span_id
    ]
    assert [span.name for span in stages] == [
        "ledger",
        "understanding",
        "ledger",
        "retrieval",
        "ranking",
        "evidence",
        "ledger",
    ]
    assert all((span.start_time or 0) <= (span.end_time or 0) for span in stages)
    assert all(one.end_time == other.start_time for one, other in pairwise(stages))
    assert (chat.start_time or 0) <= (stages[0].start_time or 0) + 5_000_000  # wall clocks: to 5 ms
    assert "secret" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_spans_are_sent_where_the_variables_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert not load_settings().traced
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.handle_request, daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        assert load_settings().traced
        provider = otlp_provider()
        provider.get_tracer("test").start_span("a stage").end()
        provider.shutdown()
        thread.join(10)
    ((path, body),) = got
    assert path == "/v1/traces"
    assert b"a stage" in body
    assert b"convrec" in body
