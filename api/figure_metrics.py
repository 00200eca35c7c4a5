"""The figures for Prometheus: of the whole installation, never by grid, so that there are few series."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.figures import Figures


class Judged(Collector):
    """``periods``: the figures of today and of this month, by the detection; ``waiting``: events not counted yet."""

    def __init__(self, periods: Mapping[str, Figures], waiting: int) -> None:
        self._periods, self._waiting = periods, waiting

    def collect(self) -> Iterator[GaugeMetricFamily]:
        shares = GaugeMetricFamily(
            "wangge_figure_ratio", "Shares of docs/figures.md; absent where there is none", labels=["figure", "period"]
        )
        counts = GaugeMetricFamily("wangge_figure_cases", "What the shares are of", labels=["count", "period"])
        times = GaugeMetricFamily(
            "wangge_figure_seconds", "Median and P90 from the detection on", labels=["time", "quantile", "period"]
        )
        for period, found in self._periods.items():
            for code, share in found.shares.items():
                if share.value is not None:
                    shares.add_metric([code, period], share.value)
            for code, count in found.counts.items():
                counts.add_metric([code, period], count)
            for code, length in found.times.items():
                for quantile, value_s in (("0.5", length.median_s), ("0.9", length.p90_s)):
                    if value_s is not None:
                        times.add_metric([code, quantile, period], value_s)
        yield shares
        yield counts
        yield times
        yield GaugeMetricFamily("wangge_figure_events_waiting", "Sealed events not counted yet", value=self._waiting)
