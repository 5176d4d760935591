"""The text that Prometheus reads, written by its own client library from sums over all workers."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service import metrics
from service.metrics_share import Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST = ("route", "cg", "status")
_BOUNDS = [*(str(bound) for bound in metrics.BOUNDS), "+Inf"]


def text(counts: Counts) -> bytes:
    """Return the exposition."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(counts))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield from _requests(self._counts)
        yield from _counters(self._counts)
        yield from _gauges(self._counts)


def _requests(counts: Counts) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "candgen_request_seconds", "From a request's headers to its answer", labels=_REQUEST
    )
    total = CounterMetricFamily("candgen_requests", "Requests answered", labels=_REQUEST)
    returned = CounterMetricFamily("candgen_candidates_returned", "Items in answers", labels=_REQUEST[:2])
    fallback = CounterMetricFamily("candgen_fallbacks", "Answers made of fill alone", labels=_REQUEST[:2])
    for (route, cg, status), (items, fallbacks, time, *buckets) in sorted(counts.requests.items()):
        labels = (route, cg, str(status))
        running, cumulated = 0.0, []
        for bound, n in zip(_BOUNDS, buckets, strict=True):
            running += n
            cumulated.append((bound, running))
        seconds.add_metric(labels, cumulated, sum_value=time)
        total.add_metric(labels, running)
        if status == 200 and cg:
            returned.add_metric(labels[:2], items)
            fallback.add_metric(labels[:2], fallbacks)
    yield from (total, seconds, returned, fallback)


def _counters(counts: Counts) -> Iterator[Metric]:
    for name, (labels, what) in metrics.COUNTERS.items():
        family = CounterMetricFamily(f"candgen_{name}", what, labels=labels)
        for (counter, values), value in sorted(counts.counters.items()):
            if counter == name:
                family.add_metric(values, value)
        yield family


def _gauges(counts: Counts) -> Iterator[Metric]:
    for name, (labels, what) in metrics.GAUGES.items():
        family = GaugeMetricFamily(f"candgen_{name}", what, labels=("pid", *labels))
        for (gauge, values, pid), value in sorted(counts.gauges.items()):
            if gauge == name:
                family.add_metric((str(pid), *values), value)
        yield family
