"""What the demo's two cameras show, where they stand, and what is watched in their pictures.

The plaza is vtest.avi, which is PETS2009 View_001 (University of Reading). Its control points come from the published
calibration of that view; where the plane lies on the globe is not published, so the place and the heading are
**chosen**: a made-up square in Ankang, Shaanxi. The gate is drawn footage (``gate_footage``), its place made up too.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from av.error import FFmpegError

from ingest.footage import transcode
from models.camera import Zone
from models.errors import InvalidInput
from models.geo import ControlPoint, GeoPoint, LocalPlane
from ops import gate_footage
from ops.footage import SHA256

PLAZA = LocalPlane(GeoPoint(109.0293, 32.6845))
"""The origin of the footage's ground plane, put here by choice."""

_TURN_DEG = 0.0
"""How far the footage's ground plane is turned counter-clockwise from east: chosen as well."""

VTEST_FPS, VTEST_WIDTH_PX, VTEST_HEIGHT_PX = 10, 768, 576

_CAMERA_M = (-28.94, -19.53)
_CONTROL_PX_M = (
    ((433, 392), (-13.78, -10.66)),
    ((42, 190), (-5.14, 7.95)),
    ((299, 209), (-4.15, -1.06)),
    ((447, 200), (-1.72, -4.22)),
    ((177, 274), (-10.38, -2.23)),
    ((343, 311), (-10.99, -7.06)),
    ((596, 333), (-10.05, -11.89)),
    ((753, 284), (-5.96, -13.59)),
)
"""Pixels of the footage and metres on its ground, from the Tsai calibration of PETS2009 View_001; the pixels were read
by eye. A plain homography on them stays within 0.13 m of the full model at p95 below row 170."""

GOP_S = 2.0


@dataclass(frozen=True)
class Scene:
    """One demo camera: its footage and what its camera point says. ``prepare`` gives the file that is streamed."""

    name: str
    code: str
    title: str
    purpose: str
    place: GeoPoint
    zones: tuple[Zone, ...]
    control_points: tuple[ControlPoint, ...]
    prepare: Callable[[Path, Callable[[float], None]], Path]
    """(cache folder, progress 0..1) -> a file that the camera simulator can loop. Does nothing twice."""


def _on_globe(east_m: float, north_m: float) -> GeoPoint:
    turn = math.radians(_TURN_DEG)
    return PLAZA.to_geo(
        east_m * math.cos(turn) - north_m * math.sin(turn), east_m * math.sin(turn) + north_m * math.cos(turn)
    )


@dataclass(frozen=True)
class Facts:
    """What a footage file is: pictures a second, and the hash of its bytes."""

    fps: int
    sha256: str


def look_at_footage(path: Path) -> Facts:
    """Opens a file and decodes its first picture. Raises InvalidInput with a sentence that says what is wrong."""
    if not path.is_file():
        raise InvalidInput(f"--footage {path}: there is no such file")
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with av.open(str(path)) as media:
            if not media.streams.video:
                raise InvalidInput(f"--footage {path}: the file holds no video")
            stream = media.streams.video[0]
            if next(media.decode(stream), None) is None:
                raise InvalidInput(f"--footage {path}: not one picture of the video can be decoded")
            fps = round(stream.average_rate or 25)
    except PermissionError:
        raise InvalidInput(f"--footage {path}: the file may not be read by this user") from None
    except (FFmpegError, OSError, ValueError):
        raise InvalidInput(f"--footage {path}: this is no video file that can be read") from None
    return Facts(fps=min(max(fps, 1), 25), sha256=sha256)


def plaza(footage: Path) -> Scene:
    """The public-video plaza, showing that footage.

    vtest.avi has known ground: density per m² is watched on its paved part. Any other footage has none: persons in the
    picture are counted, with low levels, and the alert's place is the camera's own.
    """
    facts = look_at_footage(footage)
    known = facts.sha256 == SHA256
    fps = VTEST_FPS if known else facts.fps

    def prepare(cache: Path, progress: Callable[[float], None]) -> Path:
        made = cache / f"plaza-{facts.sha256[:16]}-{fps}fps.mp4"
        if not made.exists():
            cache.mkdir(parents=True, exist_ok=True)
            transcode(footage, made, codec="h264", fps=fps, gop_s=GOP_S, progress=progress)
        return made

    return Scene(
        name="plaza",
        code="demo-plaza-1",
        title="汉江广场公共视频 (演示,位置为选定)",
        purpose="公共安全视频演示:广场人群聚集。录像为 PETS2009(雷丁大学),摆放位置和朝向是选定的,不是实地。",
        place=_on_globe(*_CAMERA_M),
        zones=(_paved_zone() if known else _whole_picture_zone(),),
        control_points=_control_points() if known else (),
        prepare=prepare,
    )


def gate() -> Scene:
    """The smart gate: drawn footage in H.265, its zone where a queue would stand; calm, so that it does not alarm."""
    drawing = hashlib.sha256(Path(gate_footage.__file__).read_bytes()).hexdigest()

    def prepare(cache: Path, progress: Callable[[float], None]) -> Path:
        made = cache / f"gate-{drawing[:16]}.mkv"
        if not made.exists():
            cache.mkdir(parents=True, exist_ok=True)
            gate_footage.make_gate_footage(made, progress)
        return made

    queue = ((0.0, 0.5), (0.85, 0.5), (0.85, 1.0), (0.0, 1.0))
    levels = {"enter_persons": 12.0, "leave_persons": 9.0, "dwell_s": 10.0}
    return Scene(
        name="gate",
        code="demo-gate-1",
        title="社区智慧门 (演示,画面为绘制)",
        purpose="小区出入口排队演示。画面由程序绘制,未拍摄任何人。",
        place=_on_globe(150.0, 0.0),
        zones=(Zone("queue", "门前排队区", queue, ("crowding",), {"crowding": levels}),),
        control_points=(),
        prepare=prepare,
    )


def _control_points() -> tuple[ControlPoint, ...]:
    return tuple(
        ControlPoint(x / VTEST_WIDTH_PX, y / VTEST_HEIGHT_PX, _on_globe(*metres)) for (x, y), metres in _CONTROL_PX_M
    )


def _paved_zone() -> Zone:
    """The paved ground, 264 m², and levels that an ordinary moment of this footage reaches: four people there begin a
    "crowd", fewer than two end it. They are the demo's; what hurts people begins at hundreds of times that density.

    Measured with nanodet-g-416 on its keyframes: 3 to 9 persons there, 6.5 in the mean; 1 with the people taken out.
    """
    corners_px = (
        (0, 170),
        (300, 185),
        (450, 195),
        (610, 150),
        (700, 150),
        (768, 230),
        (768, 490),
        (430, 345),
        (0, 240),
    )
    polygon = tuple((x / VTEST_WIDTH_PX, y / VTEST_HEIGHT_PX) for x, y in corners_px)
    levels = {"enter_density_per_m2": 0.013, "leave_density_per_m2": 0.007, "dwell_s": 4.0, "leave_s": 10.0}
    return Zone("paved", "广场铺装地面", polygon, ("crowding",), {"crowding": levels})


def _whole_picture_zone() -> Zone:
    levels = {"enter_persons": 3.0, "leave_persons": 2.0, "dwell_s": 4.0, "leave_s": 10.0}
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    return Zone("picture", "整幅画面", whole, ("crowding",), {"crowding": levels})
