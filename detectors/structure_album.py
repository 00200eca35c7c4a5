"""Pictures of one scene in as many lights as there is room for: sun and shade by the hour, rain, snow. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.structure_view import LIGHT_COLUMNS, LIGHT_ROWS, WIDTH_PX, Light, View
from models.frame import Pixels


@dataclass(frozen=True, eq=False)
class Album:
    """``pictures``: (n, height, WIDTH_PX, 3) uint8; ``lights``: (n, LIGHT_ROWS * LIGHT_COLUMNS * 3); ``taken_s``: (n,)
    Unix seconds of the frame clock."""

    pictures: NDArray[np.uint8]
    lights: NDArray[np.float32]
    taken_s: NDArray[np.float64]

    @classmethod
    def empty(cls, height_px: int) -> "Album":
        return cls(
            np.zeros((0, height_px, WIDTH_PX, 3), np.uint8),
            np.zeros((0, LIGHT_ROWS * LIGHT_COLUMNS * 3), np.float32),
            np.zeros(0),
        )

    def __len__(self) -> int:
        return len(self.taken_s)

    def nearest(self, light: Light, most: int) -> NDArray[np.intp]:
        """Which pictures were taken in the light most like this one, the most alike first."""
        return np.argsort(self._apart(light))[:most]

    def with_look(self, view: View, at_s: float, most: int) -> "Album":
        """Full, it takes a look in only if that differs from all it has by more than the two of it that are most alike;
        the older of these goes."""
        if len(self) < most:
            return self._with(view.picture, view.light, at_s)
        among = np.linalg.norm(self.lights[:, None] - self.lights[None], axis=2)
        np.fill_diagonal(among, np.inf)
        if self._apart(view.light).min() <= among.min():
            return self
        pair = np.unravel_index(int(among.argmin()), among.shape)
        goes = min(pair, key=lambda number: float(self.taken_s[number]))
        return self.only(np.arange(len(self)) != goes)._with(view.picture, view.light, at_s)

    def with_newer(self, view: View, at_s: float, most: int) -> "Album":
        """Full, it takes a look in for the one whose light is most like its own."""
        kept = self if len(self) < most else self.only(np.arange(len(self)) != self.nearest(view.light, 1)[0])
        return kept._with(view.picture, view.light, at_s)

    def filled(self, other: "Album", most: int) -> "Album":
        """With the newest of another's pictures, as far as there is room."""
        album = self
        for number in np.argsort(-other.taken_s)[: max(0, most - len(self))]:
            album = album._with(other.pictures[number], other.lights[number], float(other.taken_s[number]))
        return album

    def only(self, which: NDArray[np.bool_]) -> "Album":
        return Album(self.pictures[which], self.lights[which], self.taken_s[which])

    def view(self, number: int) -> View:
        """One of its pictures, as it was taken in."""
        return View(self.pictures[number], self.lights[number])

    def _apart(self, light: Light) -> NDArray[np.float32]:
        result: NDArray[np.float32] = np.linalg.norm(self.lights - light, axis=1)
        return result

    def _with(self, picture: Pixels, light: Light, at_s: float) -> "Album":
        return Album(
            np.concatenate([self.pictures, picture[None]]),
            np.concatenate([self.lights, light[None]]),
            np.append(self.taken_s, at_s),
        )
