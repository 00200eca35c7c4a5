"""What Prometheus may read: requests, live streams, alerts by state, cameras. A registry of its own per application."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TIMES = frozenset({"since_s", "next_try_s", "offline_s"})
"""Moments that a camera's status names: no counts."""


class Metrics:
    """Counts as it goes; what is asked at reading time is handed to ``text``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "wangge_http_requests", "Answers", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "wangge_http_request_seconds",
            "Time to answer; a live stream counts when it ends",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._streams = Gauge("wangge_live_streams", "Open live streams", registry=self._registry)

    def observed(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answer went out. ``route`` as declared, never a path with ids in it."""
        known = method if method in {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"} else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def text(
        self,
        streams: int,
        alerts: Mapping[str, int],
        cameras: Mapping[str, Any],
        deliveries: Mapping[tuple[str, str, str], int],
        *more: Collector,
    ) -> bytes:
        """The exposition format. ``alerts``: how many are in each state; ``cameras``: the video desk's status;
        ``deliveries``: of each purpose, state and reason, what is settled of the last day only."""
        self._streams.set(streams)
        moment = CollectorRegistry()
        for collector in (_Moment(alerts, cameras, deliveries), *more):
            moment.register(collector)
        return generate_latest(self._registry) + generate_latest(moment)


class _Moment(Collector):
    def __init__(
        self, alerts: Mapping[str, int], cameras: Mapping[str, Any], deliveries: Mapping[tuple[str, str, str], int]
    ) -> None:
        self._alerts, self._cameras, self._deliveries = alerts, cameras, deliveries

    def collect(self) -> Iterator[GaugeMetricFamily]:
        states = GaugeMetricFamily("wangge_alerts", "Alerts by state", labels=["state"])
        for state, count in sorted(self._alerts.items()):
            states.add_metric([state], count)
        yield states
        out = GaugeMetricFamily(
            "wangge_deliveries",
            "Notifications and webhook messages: all that wait or are dead, those of the last day sent or dropped",
            labels=["purpose", "state", "reason"],
        )
        for labels, count in sorted(self._deliveries.items()):
            out.add_metric(labels, count)
        yield out
        doing = GaugeMetricFamily("wangge_camera_state", "1: the state a camera is in", labels=["camera", "state"])
        counters = GaugeMetricFamily("wangge_camera_count", "What the worker counts", labels=["camera", "what"])
        for camera_id, said in sorted(self._cameras.items()):
            if not isinstance(said, dict):
                continue
            doing.add_metric([camera_id, str(said.get("state"))[:40]], 1)
            for what, value in said.items():
                if isinstance(value, int | float) and what not in TIMES:
                    counters.add_metric([camera_id, what], value)
        yield doing
        yield counters
