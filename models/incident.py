"""Incidents: what a detector says happened, and the kinds there are.

An incident is an observation (onset, still there, cleared) that triage folds into an alert. A kind is one data record
here; if a camera can see it, one rule module in ``detectors`` as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from models.errors import InvalidInput
from models.geo import GeoPoint


class Severity(IntEnum):
    """GB/T 28181 alarm level and the colour that people say."""

    RED = 1
    ORANGE = 2
    YELLOW = 3
    BLUE = 4

    @property
    def worse(self) -> "Severity":
        """One level up; above red there is none."""
        return Severity(max(self - 1, 1))


class Phase(StrEnum):
    ONSET = "onset"
    CONTINUING = "continuing"
    CLEARED = "cleared"


@dataclass(frozen=True)
class Parameter:
    """A number that a rule can be tuned by, with its unit and the range that makes sense."""

    unit: str
    default: float
    low: float
    high: float


@dataclass(frozen=True)
class Kind:
    """An incident kind: names for people, a default severity, parameters, and the GB/T 28181 alarm type if one fits.

    ``by_camera``: a rule looks for it in the zones of a camera. People and other systems may report every kind.
    ``burst``: keyframes do not show it: people are followed across the zone's line, five looks a second while somebody
    is near.
    """

    code: str
    name_zh: str
    name_en: str
    severity: Severity
    gbt28181: str | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    by_camera: bool = False
    burst: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.code: kind
        for kind in (
            Kind(
                "crowding",
                "人群聚集",
                "Crowding",
                Severity.ORANGE,
                "CrowdGathering",
                {
                    "enter_density_per_m2": Parameter("persons/m²", 2.0, 0.01, 10.0),
                    "leave_density_per_m2": Parameter("persons/m²", 1.5, 0.005, 10.0),
                    "enter_persons": Parameter("persons", 20.0, 1.0, 2000.0),
                    "leave_persons": Parameter("persons", 15.0, 0.5, 2000.0),
                    "dwell_s": Parameter("s", 10.0, 0.0, 3600.0),
                    "leave_s": Parameter("s", 20.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind(
                "intrusion",
                "区域入侵",
                "Intrusion",
                Severity.ORANGE,
                "Intrusion",
                {
                    "enter_count": Parameter("persons", 1.0, 1.0, 100.0),
                    "dwell_s": Parameter("s", 3.0, 0.0, 3600.0),
                    "leave_s": Parameter("s", 20.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind(
                "blocked_fire_lane",
                "占用消防通道",
                "Blocked fire lane",
                Severity.ORANGE,
                "ParkingDetection",
                {
                    "dwell_s": Parameter("s", 180.0, 0.0, 86_400.0),
                    "leave_s": Parameter("s", 150.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind(
                "e_bike",
                "电动车违规进入",
                "E-bike where it may not go",
                Severity.YELLOW,
                None,
                {
                    "enter_count": Parameter("two-wheelers", 1.0, 1.0, 100.0),
                    "dwell_s": Parameter("s", 3.0, 0.0, 3600.0),
                    "leave_s": Parameter("s", 20.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind("camera_offline", "摄像机离线", "Camera offline", Severity.YELLOW, "VideoLoss"),
            Kind("camera_black", "摄像机黑屏", "Camera black", Severity.YELLOW, "VideoLoss"),
            Kind("camera_frozen", "摄像机画面冻结", "Camera frozen", Severity.YELLOW),
            Kind("camera_covered", "摄像机被遮挡", "Camera covered", Severity.YELLOW, "VideoOcclusion"),
            Kind("camera_blurred", "摄像机画面模糊", "Camera blurred", Severity.YELLOW, "Defocus"),
            Kind("camera_moved", "摄像机被移动", "Camera moved", Severity.YELLOW, "SceneChange"),
            Kind("camera_blind", "摄像机画面异常", "Camera gone blind", Severity.YELLOW, "VideoOcclusion"),
            Kind("illegal_structure", "违法建设", "Illegal structure", Severity.YELLOW, by_camera=True),
            Kind(
                "dumping",
                "乱倒垃圾",
                "Dumping",
                Severity.YELLOW,
                "LeftObjectDetection",
                {
                    "dwell_s": Parameter("s", 300.0, 30.0, 86_400.0),
                    "leave_s": Parameter("s", 120.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind("geohazard", "地质灾害预警", "Geohazard warning", Severity.ORANGE),
            Kind(
                "gate_queue",
                "门禁口排队拥堵",
                "Queue at a gate",
                Severity.YELLOW,
                None,
                {
                    "enter_count": Parameter("persons", 8.0, 1.0, 500.0),
                    "dwell_s": Parameter("s", 60.0, 0.0, 3600.0),
                    "leave_s": Parameter("s", 60.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind(
                "gate_blocked",
                "门禁通道被堵",
                "Gate blocked",
                Severity.ORANGE,
                "ParkingDetection",
                {
                    "dwell_s": Parameter("s", 60.0, 0.0, 86_400.0),
                    "leave_s": Parameter("s", 90.0, 0.0, 3600.0),
                },
                by_camera=True,
            ),
            Kind(
                "gate_tailgating",
                "尾随通行",
                "Tailgating at a gate",
                Severity.YELLOW,
                None,
                {
                    "window_s": Parameter("s", 8.0, 0.5, 60.0),
                    "clock_s": Parameter("s", 2.0, 0.0, 30.0),
                    "settle_s": Parameter("s", 4.0, 0.0, 30.0),
                    "single_s": Parameter("s", 0.0, 0.0, 60.0),
                    "both_ways": Parameter("(0 or 1)", 0.0, 0.0, 1.0),
                    "leave_s": Parameter("s", 20.0, 0.0, 3600.0),
                },
                by_camera=True,
                burst=True,
            ),
            Kind(
                "gate_held_open",
                "门禁长时间未关",
                "Gate held open",
                Severity.YELLOW,
                None,
                {"dwell_s": Parameter("s", 60.0, 5.0, 3600.0)},
                by_camera=True,
            ),
            Kind("gate_event", "门禁闸机事件", "Gate event", Severity.BLUE),
            Kind("gate_fault", "门禁闸机故障", "Gate fault", Severity.YELLOW, "DeviceTamper"),
            Kind("other", "其他", "Other", Severity.YELLOW),
        )
    }
)


def kind_of(code: str) -> Kind:
    """Raises InvalidInput, with the kinds there are."""
    if code not in KINDS:
        raise InvalidInput(f"there is no incident kind {code!r}; there are: {', '.join(sorted(KINDS))}")
    return KINDS[code]


@dataclass(frozen=True)
class Evidence:
    """Something a person can look at: content-addressed, masked. ``sha256`` is that of the stored bytes."""

    sha256: str
    kind: str
    media_type: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a rule says of one zone (or of a whole camera, ``zone_id`` None) at one moment.

    ``onset_s`` and ``at_s`` are Unix seconds of the frame clock: when the condition began, and when this was said.
    ``measure`` holds the numbers that the rule saw, units in their names: persons, area_m2, density_per_m2, threshold.
    ``reason`` is a sentence with those numbers. ``model`` is name and version of the detector's weights.
    ``part``: which of several that may be in the zone at a time, each an alert of its own.
    """

    kind: str
    phase: Phase
    zone_id: str | None
    severity: Severity
    confidence: float
    place: GeoPoint
    accuracy_m: float
    onset_s: float
    at_s: float
    measure: Mapping[str, Any]
    reason: str
    model: str | None = None
    part: str | None = None

    def __post_init__(self) -> None:
        kind_of(self.kind)
        if not 0 <= self.confidence <= 1:
            raise InvalidInput(f"confidence is 0 to 1, not {self.confidence}")


@dataclass(frozen=True, kw_only=True)
class Incident(Sighting):
    """A sighting that a source has taken responsibility for.

    (``source``, ``seq``) makes it one: sending it again changes nothing. ``seq`` counts from 1 without gaps.
    ``camera_id`` None: no camera sees it. ``place_key`` is set where no camera's zone says what is the same happening:
    what was reported folds by it (see ``alerts.intake``).
    """

    source: str
    seq: int
    camera_id: str | None
    place_key: str | None = None
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        Sighting.__post_init__(self)
        if self.seq < 1:
            raise InvalidInput("an incident's sequence number starts at 1")
        if self.camera_id is None and self.place_key is None:
            raise InvalidInput("an incident that no camera sees says where it belongs")

    @property
    def fold_key(self) -> str:
        """Incidents of one kind, zone (and part of it) and camera are the same happening; so are reports of one key."""
        if self.place_key is not None:
            return f"{self.kind}/@{self.place_key}"
        part = "" if self.part is None else f"/{self.part}"
        return f"{self.kind}/{self.camera_id}/{self.zone_id or '-'}{part}"
