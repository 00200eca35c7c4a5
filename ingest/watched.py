"""What a child keeps of one camera that it watches, and what it needs to watch any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors import health
from detectors.crossing import Walkers, gates
from detectors.detector import Observed
from detectors.hindsight import Hindsight
from detectors.motion import Scene
from ingest.decode import Looked, Luma
from ingest.receiver import Event
from ingest.scenes import Told
from ingest.stream import Keyframe, Recent
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.frame import Frame
from models.gate import GateLog


class Receiving(Protocol):
    """What is needed of ``receiver.Receiver``."""

    def add(self, camera_id: str, source: SourceUrl) -> None: ...
    def remove(self, camera_id: str) -> None: ...
    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None: ...
    def poll(self, timeout_s: float) -> list[Event]: ...


class Observing(Protocol):
    """What is needed of ``detectors.detector.Detector``."""

    def observe(
        self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], gate: GateLog | None
    ) -> Observed: ...
    def follow(
        self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], walkers: Walkers, gate: GateLog | None
    ) -> tuple[Observed, Walkers]: ...


class Watching(Protocol):
    """What is needed of ``scenes.Scenes``."""

    def begin(self, camera_id: str, data: bytes | None) -> None: ...
    def forget(self, camera_id: str) -> None: ...
    def is_due(self, camera: CameraPoint, at_s: float) -> bool: ...
    def look(
        self,
        camera: CameraPoint,
        frame: Frame,
        seen: Detections,
        moved: NDArray[np.bool_] | None,
        show: Callable[[], bytes],
    ) -> Told: ...


Gate = Callable[[Looked | None, Luma, float], str | None]
"""Why a picture deserves a look, or None: see ``decode.reason_to_look``."""


@dataclass
class Counters:
    """Since the camera was given to this child. ``dropped``: keyframes that a newer one overtook. ``rested``: those in
    which the view was not that of the zones. ``detector_errors``: pictures that broke the detector, or what comes after
    it; ``rule_errors``: looks that broke the rule of one zone and kind. ``faults``: zones that cannot be judged as they
    are set up. ``left_out``: what was too much for a message, see ``messages.fitting``. ``followed``: looks between
    keyframes, at gates; ``unfollowed``: groups of pictures that there was no time for. ``lag_s``: from arrival of the
    last keyframe to the end of its look, seconds."""

    keyframes: int = 0
    dropped: int = 0
    corrupt: int = 0
    looks: int = 0
    unchanged: int = 0
    rested: int = 0
    detector_errors: int = 0
    rule_errors: int = 0
    faults: int = 0
    left_out: int = 0
    followed: int = 0
    unfollowed: int = 0
    lag_s: float = 0.0


@dataclass
class Watched:
    point: CameraPoint
    attempt: int
    rules: dict[str, Any]
    health: health.State
    hindsight: Hindsight
    waiting: Keyframe | None = None
    newest: tuple[float, Keyframe] | None = None
    looked: Looked | None = None
    hot_until_s: float = 0.0
    is_running: bool = False
    is_pictured: bool = False
    corrupt_in_a_row: int = 0
    scene: Scene | None = None
    gate: GateLog | None = None
    learned: bytes | None = None
    counters: Counters = field(default_factory=Counters)

    @property
    def preset(self) -> str | None:
        """The token of the preset that it stands at, None for its home view, or where it does not turn."""
        return self.health.where.at or None

    @property
    def gates(self) -> tuple[Zone, ...]:
        """Those that can be seen now: gates are of the home view."""
        return () if self.preset else gates(self.point)

    def moved(self, grey: Luma, at_s: float) -> NDArray[np.bool_] | None:
        """Where the picture is not as the scene usually is; None while that is not known."""
        return None if self.scene is None else self.scene.moved(grey, at_s)
