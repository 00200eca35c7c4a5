"""Perception: pixels to boxes, features, density and change, through the models of the zoo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import Tiling, cut_by, merge
from detectors.density import DensityMap
from detectors.inference import Network, resized
from detectors.zoo.layouts import BOX_LAYOUTS, MAP_LAYOUTS
from detectors.zoo.manifest import ZooEntry
from detectors.zoo.outputs import Task
from models.detections import Detections
from models.errors import InvalidInput, ModelRefused
from models.frame import Pixels

MAX_CANDIDATES = 1000
"""Before merging, per look: NanoDet's own limit (nms_pre). A picture of noise must not cost seconds."""


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """One backbone stage over one tile: ``values`` (channels, rows, columns) float32.

    Cell (row, column) covers the frame's pixels from (left_px + column * stride_px, top_px + row * stride_px) on; cells
    beyond the tile see filling only.
    """

    left_px: int
    top_px: int
    stride_px: float
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look at a picture gave. ``model`` is name@version; ``features`` are in order of tile, then stride."""

    detections: Detections
    features: tuple[FeatureMap, ...]
    model: str


@dataclass(frozen=True)
class _Glance:
    """What one tile gave, in pixels of the frame."""

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    features: tuple[FeatureMap, ...]


class _Loaded:
    """A loaded model. Not to be shared between threads that look at the same time."""

    task: ClassVar[Task]

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def load(cls, entry: ZooEntry, providers: Sequence[str] = ()) -> Self:
        """On the first of ``providers`` that there is. Raises ModelRefused, with what is wrong with the model."""
        if entry.task is not cls.task:
            raise ModelRefused(f"{entry.name}: layout {entry.layout} gives {entry.task}, {cls.task} is needed here")
        return cls(Network.load(entry, providers))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._network.entry.labels

    @property
    def model(self) -> str:
        """Name and version."""
        return self._network.entry.model

    @property
    def provider(self) -> str:
        """What it runs on, as ``settings.PROVIDERS`` names it."""
        return self._network.provider

    @property
    def is_fixed(self) -> bool:
        """It takes pictures of one size only."""
        return self._network.fixed_px is not None


class Perception(_Loaded):
    """A detector."""

    task = Task.BOXES

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._layout = BOX_LAYOUTS[network.entry.layout]

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Seen:
        """Everything in the picture, shape (height, width, 3) uint8, that scores at least ``min_score``."""
        height_px, width_px = bgr.shape[:2]
        tiles = tiling.tiles_px(width_px, height_px)
        glances = [self._glance(bgr, tile, tiling.long_side_px, min_score) for tile in tiles]
        boxes = np.concatenate([glance.boxes_px for glance in glances])
        labels = np.concatenate([glance.labels for glance in glances])
        kept, scores = merge(
            boxes,
            np.concatenate([glance.scores for glance in glances]),
            labels,
            np.repeat(np.arange(len(tiles), dtype=np.int32), [len(glance.scores) for glance in glances]),
            np.concatenate(
                [cut_by(t, g.boxes_px, width_px, height_px) for t, g in zip(tiles, glances, strict=True)],
            ),
            is_final=self._layout.is_final,
        )
        detections = Detections(boxes[kept], scores, labels[kept], self.labels)
        return Seen(detections, tuple(f for glance in glances for f in glance.features), self.model)

    def _glance(self, bgr: Pixels, tile: tuple[int, int, int, int], long_side_px: int | None, low: float) -> _Glance:
        left, top, right, bottom = tile
        image, (across, down) = self._network.fit(bgr[top:bottom, left:right], long_side_px)
        height_px, width_px = image.shape[2:]
        outputs = self._network.run(image)
        found, scores, labels = self._layout.decode(outputs, height_px, width_px, low)
        if len(scores) > MAX_CANDIDATES:
            best = np.argpartition(-scores, MAX_CANDIDATES)[:MAX_CANDIDATES]
            found, scores, labels = found[best], scores[best], labels[best]
        scales = np.array([across, down, across, down], np.float32)
        shifted = found / scales + np.array([left, top, left, top], np.float32)
        boxes = np.clip(shifted, [left, top, left, top], [right, bottom, right, bottom]).astype(np.float32)
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        features = tuple(
            FeatureMap(left, top, int(name.split("_")[1]) / across, outputs[name][0]) for name in self._network.features
        )
        # A sigmoid that was rounded may be a little above 1, and no confidence is.
        return _Glance(boxes[solid], np.minimum(scores[solid], np.float32(1)), labels[solid], features)


class CrowdCounter(_Loaded):
    """A density model."""

    task = Task.DENSITY

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._layout = MAP_LAYOUTS[network.entry.layout]

    def count(self, bgr: Pixels) -> DensityMap:
        """Persons per cell of the picture, shape (height, width, 3) uint8, in at most ``MAX_CELLS`` cells a side.

        Raises InvalidInput where the model gives what is no number.
        """
        height_px, width_px = bgr.shape[:2]
        image, (across, down) = self._network.fit(bgr)
        persons = self._layout.decode(self._network.run(image))[0]
        stride = image.shape[2] // persons.shape[0]
        # What fills the model's input up shows nobody, whatever the model makes of it.
        rows = min(persons.shape[0], -(-round(height_px * down) // stride))
        columns = min(persons.shape[1], -(-round(width_px * across) // stride))
        cell = (stride / (width_px * across), stride / (height_px * down))
        return DensityMap(persons[:rows, :columns].copy(), cell, self._network.entry.model).coarser()


class ChangeFinder(_Loaded):
    """A change network."""

    task = Task.CHANGE

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._layout = MAP_LAYOUTS[network.entry.layout]

    def compare(self, reference: Pixels, look: Pixels) -> NDArray[np.float32]:
        """(kinds, rows, columns) float32, 0..1: how sure it is that a cell of ``look`` shows something new; the cells
        cover the whole picture evenly, the kinds are the entry's labels.

        Both pictures (height, width, 3) uint8, registered, of one size. Raises InvalidInput for others.
        """
        if reference.shape != look.shape:
            raise InvalidInput(f"pictures of {reference.shape} and {look.shape} cannot be compared")
        size = self._size(look)
        pair = [self._network.values(resized(picture, size)) for picture in (reference, look)]
        return self._layout.decode(self._network.run(*pair))

    def _size(self, bgr: Pixels) -> tuple[int, int]:
        """Width and height for the model. Stretched to whole steps, so that no cell sees filling."""
        if self._network.fixed_px is not None:
            return self._network.fixed_px[1], self._network.fixed_px[0]
        spec = self._network.entry.input
        scale = spec.long_side_px / max(bgr.shape[:2])
        height, width = (max(1, round(side * scale / spec.multiple_px)) * spec.multiple_px for side in bgr.shape[:2])
        return width, height
