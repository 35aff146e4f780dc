"""Metrics: Prometheus text at /metrics. Requests are counted here; other floors register collectors.

May touch: nothing but memory; collectors read their own rows at scrape time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

Collect = Callable[[], Iterable[Metric]]
_log = logging.getLogger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

registry = CollectorRegistry()
ProcessCollector(registry=registry)
_requests = Counter(
    "fissile_http_requests",
    "Requests answered, by context, route template and class of status.",
    ["context", "method", "route", "status_class"],
    registry=registry,
)
_durations = Histogram(
    "fissile_http_request_duration_seconds",
    "Time to answer, in seconds.",
    ["context", "route"],
    # The library's defaults reach 10 s; ours begin finer: local answers take milliseconds.
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=registry,
)
_collectors: dict[str, Collect] = {}


def register(name: str, collect: Collect) -> None:
    """Add metrics read at scrape time. A collector that raises is left out and reported as down."""
    _collectors[name] = collect


def gauge(
    name: str, meaning: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    """Return one gauge for a collector: `rows` pairs label values, in the order of `labels`, with a number."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def count_request(*, context: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; `route` is a template, never a path."""
    known = method if method in _METHODS else "OTHER"
    _requests.labels(context, known, route, f"{status // 100}xx").inc()
    _durations.labels(context, route).observe(seconds)


class _Registered(Collector):
    """Asks the registered collectors; one that fails does not take the others with it."""

    def collect(self) -> Iterator[Metric]:
        up: list[tuple[tuple[str, ...], float]] = []
        for name, collect in _collectors.items():
            try:
                found = list(collect())
            except Exception:  # noqa: BLE001 - logged; one broken collector must not blind the others
                _log.exception("The metrics of %s cannot be read; the others are.", name)
                up.append(((name,), 0))
                continue
            up.append(((name,), 1))
            yield from found
        yield gauge("fissile_collector_up", "1 if a collector could be read.", ("collector",), up)

    def describe(self) -> Iterable[Metric]:
        return []


registry.register(_Registered())


def exposition(request: HttpRequest) -> HttpResponse:
    """Answer a scrape. On the operators' listener only; the gateway never routes here."""
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
