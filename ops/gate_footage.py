"""Made footage of a smart gate: drawn, not recorded. A wall with an opening, a barrier arm, figures that pass it.

It is what the demo's second camera shows: nobody was filmed for it, and it is sent in H.265, so that both codecs are
in use. Everything drawn is a function of the time alone: the same bytes of picture each time, and the last frame runs
on into the first.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.frame import Pixels

WIDTH_PX, HEIGHT_PX = 640, 360
FPS = 12
LENGTH_S = 30.0
GOP_S = 2

_WALL_BOTTOM_PX = 170
_GATE_PX = (400, 520)
"""Left and right edge of the opening in the wall."""
_WALKERS = (
    (0.0, (176, 62, 52), 245.0),
    (7.0, (60, 96, 150), 262.0),
    (16.0, (70, 120, 70), 236.0),
    (23.5, 3 * (72,), 254.0),
)
"""When each figure sets out (seconds), its coat (BGR), and the line its feet keep to (pixels from the top)."""
_WALK_S = 14.0
"""How long a figure takes across the picture."""


def gate_frame(at_s: float) -> Pixels:
    """The picture at that time, (360, 640, 3) uint8 BGR."""
    picture = _scene()
    arrivals = []
    for start_s, coat, feet_px in _WALKERS:
        walked = ((at_s - start_s) % LENGTH_S) / _WALK_S
        if walked < 1:
            arrivals.append((feet_px, -40 + walked * (WIDTH_PX + 80), coat))
    near_gate = any(abs(x - _GATE_PX[0]) < 70 for _, x, _ in arrivals)
    _barrier(picture, raised=near_gate)
    for feet_px, x, coat in sorted(arrivals):  # the nearer ones are drawn over the farther ones
        _figure(picture, x, feet_px, coat, swing=math.sin(x / 14))
    return picture


def make_gate_footage(path: Path, progress: Callable[[float], None]) -> None:
    """Draws and encodes the loop as H.265 with a keyframe every 2 s: written beside ``path``, then renamed to it.

    ``progress`` is told the done fraction, 0..1. Raises OSError when the folder cannot be written.
    """
    half_made = path.with_name(f".{path.name}.part")
    frames = round(LENGTH_S * FPS)
    with av.open(str(half_made), "w", format="matroska") as out:
        stream = out.add_stream("libx265", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        keys = f"keyint={GOP_S * FPS}:min-keyint={GOP_S * FPS}:scenecut=0:bframes=0:repeat-headers=1:log-level=none"
        stream.options = {"preset": "ultrafast", "crf": "28", "x265-params": keys}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(gate_frame(number / FPS), format="bgr24")
            frame.pts = number
            out.mux(stream.encode(frame))
            progress((number + 1) / frames)
        out.mux(stream.encode(None))
    half_made.replace(path)


def _scene() -> Pixels:
    """Sky, wall with its opening, pavement with slabs."""
    picture = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    picture[:60] = (214, 196, 176)
    picture[60:_WALL_BOTTOM_PX] = (104, 128, 156)
    picture[60:_WALL_BOTTOM_PX:12] = (92, 114, 140)  # courses of brick
    picture[_WALL_BOTTOM_PX:] = (150, 152, 154)
    picture[_WALL_BOTTOM_PX::38] = (132, 134, 136)  # joints of the slabs
    left, right = _GATE_PX
    picture[84:_WALL_BOTTOM_PX, left:right] = (196, 204, 200)
    picture[78:84, left - 8 : right + 8] = (60, 66, 70)
    for post in (left - 8, right):
        picture[78:_WALL_BOTTOM_PX, post : post + 8] = (60, 66, 70)
    return picture


def _barrier(picture: Pixels, *, raised: bool) -> None:
    left, right = _GATE_PX
    picture[150:212, left - 30 : left - 14] = (40, 120, 220)  # its cabinet
    if raised:
        picture[70:156, left - 24 : left - 19] = (40, 40, 210)
    else:
        picture[154:159, left - 20 : right] = (40, 40, 210)
        picture[154:159, left - 20 : right : 24] = (240, 240, 240)


def _figure(picture: Pixels, x: float, feet_px: float, coat: tuple[int, ...], *, swing: float) -> None:
    """A walker about 110 px tall: legs, coat, arms, head. ``swing`` -1..1 is where in the stride it is."""
    tall = 110.0 * feet_px / 250
    skin, trousers = (128, 158, 196), (58, 50, 46)
    left, right = max(0, round(x - tall / 2)), min(WIDTH_PX, round(x + tall / 2))
    top, bottom = round(feet_px - 1.1 * tall), round(feet_px) + 1
    if left >= right:
        return
    part = picture[top:bottom, left:right]
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    up = (feet_px - rows) / tall  # 0 at the feet, 1 at the crown
    across = (columns - x) / tall
    for side in (-1, 1):
        leg = side * swing * 0.16 * (0.48 - up) / 0.48 + side * 0.045
        part[(up >= 0) & (up < 0.48) & (np.abs(across - leg) < 0.045)] = trousers
        arm = -side * swing * 0.12 * (0.8 - up) / 0.4 + side * 0.13
        part[(up > 0.42) & (up < 0.8) & (np.abs(across - arm) < 0.032)] = tuple(c * 4 // 5 for c in coat)
    part[(up > 0.44) & (up < 0.83) & (np.abs(across) < 0.125 - 0.05 * (up - 0.44))] = coat
    part[((up - 0.915) / 0.085) ** 2 + (across / 0.065) ** 2 < 1] = skin
    part[(((up - 0.945) / 0.07) ** 2 + (across / 0.07) ** 2 < 1) & (up > 0.92)] = (38, 36, 40)  # hair
