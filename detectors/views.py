"""How a scene looks, by its edges: what tells one view of a camera from another, in whatever light. Pure."""

import base64
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHIFT = 1.0
"""Cells of the map, an eightieth of the picture's width, by which the view has to shift."""
ALIKE, STRANGE = 0.35, 0.2
"""Correlation of two views of one scene, and of two scenes. Views of one fixed scene gave 0.55 to 1."""
MOST_VIEWS = 4
MAP = (45, 80)

Map = NDArray[np.float32]
"""Edges of a scene, whatever its light: shape MAP, 0..255."""


@dataclass(frozen=True, eq=False)
class View:
    """How the scene looks in one light."""

    edges: Map

    def to_json(self) -> str:
        return base64.b64encode(np.clip(self.edges, 0, 255).astype(np.uint8).tobytes()).decode()

    @classmethod
    def from_json(cls, data: str) -> "View":
        """Raises ValueError."""
        return cls(np.frombuffer(base64.b64decode(data, validate=True), np.uint8).reshape(MAP).astype(np.float32))


def with_view(views: tuple[View, ...], edges: Map, share: float) -> tuple[View, ...]:
    """The nearest view drawn towards what is seen; where none is near – another light – one more, the oldest goes."""
    likeness = [correlation(view.edges, edges) for view in views]
    if not likeness or max(likeness) < (ALIKE + 1) / 2:
        return (*views, View(edges))[-MOST_VIEWS:]
    best = int(np.argmax(likeness))
    drawn = View(views[best].edges + np.float32(share) * (edges - views[best].edges))
    return (*views[:best], *views[best + 1 :], drawn)


def edge_map(luma: NDArray[np.uint8]) -> Map:
    """Size of the gradient, its strongest twentieth cut off, scaled to 255: the light's strength falls out."""
    rows, columns = MAP
    grey = luma.astype(np.float32).reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    down, right = np.gradient(grey)
    size = np.hypot(down, right)
    most = float(np.quantile(size, 0.95))
    result: Map = (np.minimum(size, most) * (255.0 / most if most > 0 else 0.0)).astype(np.float32)
    return result


def correlation(a: Map, b: Map) -> float:
    """Pearson's, -1..1; 0 where one has no edges."""
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def register(reference: Map, now: Map) -> tuple[float, float]:
    """How far ``now`` is off, in cells, and how alike both are where they overlap after that.

    Source: Kuglin & Hines, The phase correlation image alignment method (1975).
    """
    rows, columns = MAP
    window = np.outer(np.hanning(rows), np.hanning(columns))
    a = np.fft.rfft2((reference - reference.mean()) * window)
    b = np.fft.rfft2((now - now.mean()) * window)
    cross = a * np.conj(b)
    peaks = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=MAP)
    # The strongest may be chance: of a few, the one after which both are most alike.
    best = (0.0, correlation(reference, now))
    for index in np.argsort(peaks, axis=None)[-3:]:
        dy, dx = divmod(int(index), columns)
        dy, dx = dy - rows * (dy > rows // 2), dx - columns * (dx > columns // 2)
        if abs(dy) > rows // 2 - 4 or abs(dx) > columns // 2 - 4:
            continue
        alike = _overlapping(reference, now, dy, dx)
        if alike > best[1] + 0.05:
            best = (math.hypot(dy, dx), alike)
    return best


def _overlapping(reference: Map, now: Map, dy: int, dx: int) -> float:
    """Correlation of the part that both show if ``now`` is shifted back by (dy, dx) cells."""
    rows, columns = MAP
    there = reference[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)]
    here = now[max(-dy, 0) : rows + min(-dy, 0), max(-dx, 0) : columns + min(-dx, 0)]
    return correlation(there, here)
