"""What people hand to the command line in files and words, read and checked."""

import json
from pathlib import Path
from typing import Any

from models.camera import Zone, zone_from_json
from models.errors import InvalidInput, TooLarge
from models.geo import ControlPoint
from models.people import Role
from models.presets import control_point_from_json

MOST_ZONES_BYTES = 1_000_000


def read_file(path: Path, most_bytes: int) -> bytes:
    """Raises InvalidInput if it cannot be read, TooLarge without having read it all."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise TooLarge(f"{path} is larger than {most_bytes / 1e6:.0f} MB")
    return data


def read_zones(path: Path) -> tuple[tuple[Zone, ...], tuple[ControlPoint, ...]]:
    """Zones and control points of a camera, as in the API. Raises InvalidInput, TooLarge."""
    data = read_file(path, MOST_ZONES_BYTES)
    try:
        return zones_of(json.loads(data), str(path))
    except (ValueError, RecursionError) as error:
        raise _no_zones(str(path), error) from None


def zones_of(document: Any, where: str) -> tuple[tuple[Zone, ...], tuple[ControlPoint, ...]]:
    """What such a file holds; ``where`` it was, for the sentence. Raises InvalidInput."""
    try:
        return (
            tuple(zone_from_json(zone) for zone in document.get("zones", [])),
            tuple(control_point_from_json(point) for point in document.get("control_points", [])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_zones(where, error) from None


def _no_zones(where: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f'{where} is not as in {{"zones": [{{"id", "name", "polygon": [[x, y], …], "kinds"}}], '
        f'"control_points": [{{"x", "y", "lon", "lat"}}]}}: {type(error).__name__} {error}'
    )


def read_grant(text: str) -> tuple[Role, str]:
    """ROLE@GRID_CODE. Raises InvalidInput, with the roles there are."""
    role, at, code = text.partition("@")
    try:
        if at and code:
            return Role(role), code
    except ValueError:
        pass
    raise InvalidInput(f"{text!r} is not ROLE@GRID_CODE; the roles are: {', '.join(Role)}")
