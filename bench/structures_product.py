"""The product itself as a contender: its detector of people and vehicles, its change network, its own decision."""

from dataclasses import replace

from bench.structures_score import Suspicion
from detectors.boxes import Tiling
from detectors.detector import LOOK_SCORE
from detectors.masking import mask
from detectors.perception import ChangeFinder, Perception
from detectors.structure import Look, State, is_due, step
from detectors.zoo.manifest import read_zoo
from models.camera import CameraPoint
from models.frame import Pixels
from models.geo import GroundPlane
from models.structure import Accepted
from models.vision import Vision


class Product:
    """Looks at what the camera's worker would look at: every picture given, by day."""

    name = "product"

    def __init__(self) -> None:
        zoo = read_zoo()
        self._perception = Perception.load(zoo["nanodet-g-416"])
        self._finder = ChangeFinder.load(zoo["change-320k"])

    def begin(self, camera: CameraPoint, accepted_s: float) -> None:
        self._state, self._camera = State(), replace(camera, vision=Vision(structures=Accepted(accepted_s)))
        self._ground = GroundPlane.fit(camera.control_points)

    def look(self, at_s: float, bgr: Pixels) -> list[Suspicion]:
        if not is_due(self._state, self._camera, at_s):
            return []
        seen = self._perception.look(bgr, Tiling(), LOOK_SCORE).detections
        look = Look(at_s, bgr, mask(bgr, seen), seen, self._ground)
        watched = step(self._state, self._camera, look, self._finder.compare)
        self._state = watched.state
        return [
            Suspicion(str(told.number), told.cells, at_s, told.since_s, told.area_m2)
            for told in (said.structure for said in watched.said if said.phase != "cleared")
        ]
