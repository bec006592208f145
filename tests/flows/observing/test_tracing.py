"""Prefect's own tracing reaches whoever sets up OpenTelemetry, and nobody else is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

pytestmark = pytest.mark.slow  # Prefect's own engine


def test_a_run_is_a_trace_where_somebody_listens_and_nobody_does_by_default(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from flows import pipelines

    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)  # it drops every span
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    business = str(write_shop(tmp_path, customers=20, days_after=1))
    pipelines.ingest_daily(business=business, as_of=LAST_DAY_OF_HISTORY + timedelta(days=1), history=True)
    spans = {str((span.attributes or {}).get("prefect.run.type")): span for span in exporter.get_finished_spans()}
    assert set(spans) == {"flow", "task"}
    told = str([dict(span.attributes or {}) for span in spans.values()])
    assert "'prefect.run.parameter.business': 'str'" in told  # of parameters the type alone
    assert str(tmp_path) not in told.replace(business, "") or business in told
