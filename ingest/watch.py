"""What the worker's parent knows of one camera, and what follows from what happens to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ingest.backoff import delay_s
from models.camera import CameraPoint
from models.errors import CameraError
from models.incident import KINDS, Phase, Sighting

OFFLINE_S = 10.0
"""A camera without a picture for so long, after at least one failure, is an incident."""
STEADY_S = 30.0
"""A camera that was watched for so long before it failed begins its waits anew."""
SNAPSHOT = 1


class WatchState(StrEnum):
    CONNECTING = "connecting"
    WATCHING = "watching"
    FAILED = "failed"


@dataclass(frozen=True)
class Watch:
    """One camera that is to be watched. Times are Unix seconds of the worker's clock, which no wall step bends.

    ``since_s``: since when it is in ``state``; FAILED lasts, through all tries, until a picture comes. ``dark_s``: the
    last picture, or when one was first wanted. ``try_s``: when to ask a child for it next, None while one has it.
    ``attempt`` tells the answers to the last asking from older ones. ``offline_s``: since when it is dark, once that
    was reported as an incident. ``rules``: the detector's state for it.
    """

    camera: CameraPoint
    since_s: float
    dark_s: float
    try_s: float | None
    state: WatchState = WatchState.CONNECTING
    attempt: int = 0
    failures: int = 0
    error_code: str | None = None
    error: str | None = None
    offline_s: float | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, camera: CameraPoint, snapshot: Mapping[str, Any] | None, now_s: float) -> "Watch":
        """For a camera that is new here, with what an earlier run of the worker knew of it."""
        watch = cls(camera, since_s=now_s, dark_s=now_s, try_s=now_s)
        if not snapshot or snapshot.get("version") != SNAPSHOT:
            return watch
        return replace(watch, rules=snapshot["rules"], offline_s=snapshot["offline_s"])

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart, as JSON."""
        return {"version": SNAPSHOT, "rules": dict(self.rules), "offline_s": self.offline_s}

    def changed(self, camera: CameraPoint, now_s: float) -> "Watch":
        """The registry has a new version of the camera: watch it anew, at once."""
        return replace(self, camera=camera, try_s=now_s, failures=0)

    def asked(self) -> "Watch":
        """A child was asked to watch it."""
        return replace(self, attempt=self.attempt + 1, try_s=None)

    def orphaned(self, now_s: float) -> "Watch":
        """The child that had it is gone, by no fault of the camera."""
        return replace(self, try_s=now_s)

    def waits(self, wait_s: float, now_s: float) -> "Watch":
        """Its account is being tried by another one."""
        return replace(self, try_s=now_s + wait_s)

    def failed(self, error: CameraError, now_s: float, chance: float) -> "Watch":
        """It failed; ``chance`` 0..1 spreads the next tries of many cameras."""
        was_watched = self.state is WatchState.WATCHING
        steady = was_watched and now_s - self.since_s >= STEADY_S
        failures = 1 if steady else self.failures + 1
        return replace(
            self,
            state=WatchState.FAILED,
            since_s=self.since_s if self.state is WatchState.FAILED else now_s,
            try_s=now_s + delay_s(error, failures, chance),
            failures=failures,
            error_code=error.code,
            error=str(error),
        )

    def pictured(self, now_s: float) -> "Watch":
        """A picture came."""
        return replace(
            self,
            state=WatchState.WATCHING,
            since_s=self.since_s if self.state is WatchState.WATCHING else now_s,
            dark_s=now_s,
            error_code=None,
            error=None,
            offline_s=None,
        )

    def alive(self, now_s: float) -> "Watch":
        """Keyframes have come since it was last heard of."""
        return replace(self, dark_s=now_s) if self.state is WatchState.WATCHING else self

    def offline(self, now_s: float) -> "tuple[Watch, Sighting] | None":
        """The incident to report when it has been dark for too long; None while it has not, or that was done."""
        if self.state is not WatchState.FAILED or self.offline_s is not None or now_s - self.dark_s < OFFLINE_S:
            return None
        reason = f"no picture for {now_s - self.dark_s:.0f} s: {self.error}"
        return replace(self, offline_s=self.dark_s), self._sighting(Phase.ONSET, self.dark_s, now_s, reason)

    def back(self, now_s: float, reason: str) -> Sighting | None:
        """The end of the incident that ``offline`` began; None where it began none."""
        if self.offline_s is None:
            return None
        return self._sighting(Phase.CLEARED, self.offline_s, now_s, reason)

    def status(self) -> dict[str, Any]:
        """For people and programs: no secrets."""
        return {
            "state": self.state.value,
            "since_s": self.since_s,
            "error_code": self.error_code,
            "error": self.error,
            "failures": self.failures,
            "next_try_s": self.try_s,
            "offline_s": self.offline_s,
            **self.counters,
        }

    def _sighting(self, phase: Phase, onset_s: float, now_s: float, reason: str) -> Sighting:
        return Sighting(
            kind="camera_offline",
            phase=phase,
            zone_id=None,
            severity=KINDS["camera_offline"].severity,
            confidence=1.0,
            place=self.camera.place,
            accuracy_m=1.0,
            onset_s=onset_s,
            at_s=now_s,
            measure={"dark_s": round(now_s - onset_s, 1), "error_code": self.error_code},
            reason=reason,
        )
