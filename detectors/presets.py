"""At which of its presets a camera that pans stands: its picture's edges beside how each of them looked.

It leaves at once and arrives with the second look that agrees, so that nothing is judged on the way. A preset is
learned when somebody says that the camera stands there, the home view at first sight; each is learned further while the
camera stands there. What fog hides is taken for elsewhere. Pure: time is the frame clock's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.course import finite, time_or_none
from detectors.views import ALIKE, SHIFT, STRANGE, Map, View, correlation, edge_map, register, with_view
from models.camera import CameraPoint

HOME = ""
"""The token of the view that zones without a preset belong to."""
FRESH_S = 600.0
"""A confirmation that no picture followed for so long says nothing of the next one."""
STILL = 0.8
"""Correlation of the edges of two pictures between which the camera did not turn; one fixed scene gave 0.9 and more."""
COMPARE_S = 10.0
LEARN_S = 600.0
LEARN_SHARE = 0.2
LIGHTS = 2
"""Kept of each preset: by day and by night."""


@dataclass(frozen=True)
class Known:
    """How a preset looks. ``told``: which word of somebody's it was learned by (see ``_words``)."""

    told: float
    views: tuple[View, ...]
    learned_s: float


@dataclass(frozen=True)
class State:
    """``at``: the token of where the camera stands, None on its way or where nobody has shown it. ``arrived_s``: since
    when, Unix seconds. ``said``: why it is held to be there. Only ``known`` is kept over a restart.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    at: str | None = None
    arrived_s: float | None = None
    said: str = ""
    seen: str | None = None
    edges: Map | None = None
    compared_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            token: {"told": known.told, "learned_s": known.learned_s, "views": [view.to_json() for view in known.views]}
            for token, known in self.known.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "State":
        """Raises AttributeError, KeyError, TypeError, ValueError."""
        known = {}
        for token, each in data.items():
            views = tuple(View.from_json(view) for view in each["views"][:LIGHTS])
            known[token] = Known(finite(each["told"]), views, time_or_none(each["learned_s"]) or 0.0)
        return cls(known)


def step(state: State, camera: CameraPoint, at_s: float, luma: NDArray[np.uint8]) -> State:
    """One keyframe further; ``luma``: (90, 160) uint8, of a picture in which something can be seen."""
    edges = edge_map(luma)
    state = _taught(state, camera, at_s, edges)
    is_settled = state.at is not None and state.seen == state.at and 0 <= at_s - state.compared_s < COMPARE_S
    if is_settled and state.edges is not None and correlation(state.edges, edges) >= STILL:
        return state
    here, said = _recognised(state, edges)
    state = replace(state, edges=edges, compared_s=at_s, said=said)
    if here != state.at:
        arrives = here is not None and here == state.seen and state.at is None
        state = replace(state, at=here if arrives else None, arrived_s=at_s if arrives else None)
    state = replace(state, seen=here)
    return _learned(state, at_s, edges)


def _words(camera: CameraPoint) -> dict[str, float | None]:
    """By token, the last word of somebody's that the camera stood there, None where nobody has said: of the home view a
    count, of the others a moment."""
    return {preset.token: preset.confirmed_s for preset in camera.vision.presets} | {HOME: camera.vision.view}


def _taught(state: State, camera: CameraPoint, at_s: float, edges: Map) -> State:
    words = _words(camera)
    known = {token: each for token, each in state.known.items() if token in words}
    new = {token: told for token, told in words.items() if told is not None and not _is_known(known, token, told)}
    fresh = [token for token, told in new.items() if token != HOME and at_s - told <= FRESH_S]
    # One that stands at a preset is not seen at home for the first time.
    if HOME in new and (HOME in known or state.at is None):
        fresh.append(HOME)
    if not fresh:
        return state if len(known) == len(state.known) else replace(state, known=known)
    token = fresh[0]
    known[token] = Known(new[token], (View(edges),), at_s)
    said = "the view was confirmed just now"
    return State(known, token, at_s, said, token, edges, at_s)


def _is_known(known: Mapping[str, Known], token: str, told: float) -> bool:
    return token in known and known[token].told == told


def _recognised(state: State, edges: Map) -> tuple[str | None, str]:
    """The token of the preset that the picture shows, if it shows one, and the numbers."""
    likeness: dict[str, float] = {}
    nearest, best = HOME, -1.0
    for token, known in state.known.items():
        shift, alike = max((register(view.edges, edges) for view in known.views), key=lambda pair: pair[1])
        if alike > best:
            nearest, best = token, alike
        stands = shift < SHIFT or alike < ALIKE if token == state.at else shift < SHIFT
        if stands and alike >= (STRANGE if token == state.at else ALIKE):
            likeness[token] = alike
    here = max(likeness, key=lambda token: likeness[token], default=None)
    if here is None:
        return None, f"the view is none that was confirmed, the likest is {shown(nearest)} with likeness {best:.2f}"
    return here, f"the camera is at {shown(here)}, likeness {likeness[here]:.2f}"


def _learned(state: State, at_s: float, edges: Map) -> State:
    """What the preset looks like in this light."""
    if state.at is None or at_s - state.known[state.at].learned_s < LEARN_S:
        return state
    known = state.known[state.at]
    views = with_view(known.views, edges, LEARN_SHARE)[-LIGHTS:]
    return replace(state, known={**state.known, state.at: replace(known, views=views, learned_s=at_s)})


def shown(token: str | None) -> str:
    return f"preset {token}" if token else "its home view"
