"""The frame clock: from a stream's own timestamps to Unix seconds that dwell times can be counted in."""

from dataclasses import dataclass, replace

LEAP_S = 5.0
"""Timestamps that advance by this much more than arrival, from one frame to the next, were reset."""
FAR_S = 15.0
"""Further from arrival than this is no lateness or burst (servers send up to a GOP at once) but another clock."""
REORDER_S = 1.0
"""B-frames go back by less than this; more is a jump."""
SANE_REPORT_S = 10.0
"""A sender report whose NTP time is further than this from its arrival comes from a camera with a wrong clock."""
SLEW = 0.01
"""Drift is corrected by at most this share of elapsed time, so that no dwell time is off by more."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A frame: its RTP timestamp, when it arrived and its place in time (Unix seconds)."""

    rtp: int
    arrival_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class FrameClock:
    """Pure: every step gives a new clock. ``at_s`` never goes backwards.

    Arrival times are the caller's Unix seconds. The receiver's advance by the monotonic clock, so that a step of
    the wall clock reaches dwell times only with the next connection.
    ``at_s``: Unix seconds of the last frame; 0.0 before the first. ``mark``: the last frame itself, which in a stream
    with B-frames may lie before ``at_s``. ``lag_s``: what ``at_s`` minus arrival should be; 0 until a sender report
    says otherwise. ``reported``: a sender report that came before the first frame.
    """

    hz: int
    lag_s: float = 0.0
    mark: Mark | None = None
    reported: Mark | None = None
    at_s: float = 0.0

    def tick(self, rtp: int, arrival_s: float) -> "FrameClock":
        """A frame with RTP timestamp ``rtp`` (32 bits, wraps) arrived."""
        if self.mark is None:
            first_s = self._first_s(rtp, arrival_s)
            return FrameClock(self.hz, self.lag_s, Mark(rtp, arrival_s, first_s), at_s=first_s)
        last = self.mark
        step_s = ticks_between(last.rtp, rtp) / self.hz
        at_s = last.at_s + step_s
        ahead_s = at_s - arrival_s - self.lag_s
        elapsed_s = arrival_s - last.arrival_s
        if step_s - elapsed_s > LEAP_S or step_s < -REORDER_S or abs(ahead_s) > FAR_S:
            # Ahead of arrival, it goes on by elapsed arrival time instead of standing still until arrival catches up.
            at_s = max(arrival_s, self.at_s + min(max(elapsed_s, 0.0), LEAP_S))
        else:
            limit_s = SLEW * abs(step_s)
            at_s -= min(max(ahead_s, -limit_s), limit_s)
        return FrameClock(self.hz, self.lag_s, Mark(rtp, arrival_s, at_s), at_s=max(at_s, self.at_s))

    def report(self, ntp_unix_s: float, rtp: int, arrival_s: float) -> "FrameClock":
        """An RTCP sender report: at ``ntp_unix_s`` of the camera's clock the stream stood at ``rtp``.

        Before the first frame it sets the clock; later the clock is slewed towards it. A camera that does not know
        the time is not believed.
        """
        if abs(ntp_unix_s - arrival_s) > SANE_REPORT_S:
            return self
        if self.mark is None:
            return FrameClock(self.hz, ntp_unix_s - arrival_s, None, Mark(rtp, arrival_s, ntp_unix_s))
        if abs(ticks_between(self.mark.rtp, rtp)) / self.hz > SANE_REPORT_S:
            return self
        return replace(self, lag_s=ntp_unix_s - arrival_s)

    def _first_s(self, rtp: int, arrival_s: float) -> float:
        """Servers begin with the last keyframe: the first frames may be seconds older than their arrival."""
        if self.reported is None:
            return arrival_s
        at_s = self.reported.at_s + ticks_between(self.reported.rtp, rtp) / self.hz
        return at_s if abs(at_s - arrival_s) < SANE_REPORT_S else arrival_s


def ticks_between(earlier: int, later: int) -> int:
    """Signed difference of two 32-bit RTP timestamps, the short way round."""
    return (later - earlier + 0x80000000 & 0xFFFFFFFF) - 0x80000000
