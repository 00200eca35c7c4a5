"""The registry: camera points, grids and people, each within what an actor may see and do."""

from alerts.camera_registry import CameraRegistry
from alerts.person_registry import PersonRegistry


class Registry(CameraRegistry, PersonRegistry):
    """All of it: one engine, one vault, one index of the grids."""
