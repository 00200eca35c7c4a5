"""The registry: camera points, grids and people, each within what an actor may see and do."""

from alerts.camera_registry import CameraRegistry
from alerts.rota import RotaRegistry


class Registry(CameraRegistry, RotaRegistry):
    """All of it: one engine, one vault, one index of the grids."""
