"""The product itself as a contender: its detector of people and vehicles, its change network, its own decision."""

from bench.structures_score import Suspicion
from detectors.boxes import Tiling
from detectors.perception import ChangeFinder, Perception
from detectors.structure import BODY_SCORE, SUN_DEG, State, step
from detectors.zoo.manifest import read_zoo
from models.camera import CameraPoint
from models.frame import Pixels
from models.geo import GroundPlane
from models.structure import Accepted
from models.sun import sun_height_deg


class Product:
    """Looks at what the camera's worker would look at: every picture given, by day."""

    name = "product"

    def __init__(self) -> None:
        zoo = read_zoo()
        self._perception = Perception.load(zoo["nanodet-g-416"])
        self._finder = ChangeFinder.load(zoo["change-320k"])

    def begin(self, camera: CameraPoint, accepted_s: float) -> None:
        self._state, self._camera = State(), camera
        self._accepted = Accepted(accepted_s=accepted_s)
        self._ground = GroundPlane.fit(camera.control_points)

    def look(self, at_s: float, bgr: Pixels) -> list[Suspicion]:
        if sun_height_deg(self._camera.place, at_s) < SUN_DEG:
            return []
        seen = self._perception.look(bgr, Tiling(), BODY_SCORE)
        watched = step(
            self._state, self._camera, at_s, bgr, self._finder.compare, seen.detections, self._ground, self._accepted
        )
        self._state = watched.state
        return [
            Suspicion(str(told.number), told.cells, at_s, told.since_s, told.area_m2)
            for told in (said.structure for said in watched.said if said.phase != "cleared")
        ]
