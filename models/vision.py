"""How a camera is to be looked at: what it says besides its zones. One JSON document at rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.counting import Counting, counting_from_json
from models.errors import InvalidInput


@dataclass(frozen=True)
class Vision:
    """``counting``: how persons are counted, None where nobody has calibrated it."""

    counting: Counting | None = None


def vision_to_json(vision: Vision) -> dict[str, Any]:
    """Without what is not set."""
    return {} if vision.counting is None else {"counting": vision.counting.to_json()}


_READ = {"counting": counting_from_json}


def vision_from_json(data: Any) -> Vision:
    """Raises InvalidInput for anything that is none; null is what is not set."""
    if not isinstance(data, Mapping):
        raise InvalidInput("vision is an object, such as {} where nothing is set")
    unknown = sorted(set(data) - set(_READ))
    if unknown:
        raise InvalidInput(f"vision has no {', '.join(map(repr, unknown))[:200]}; it has: {', '.join(sorted(_READ))}")
    return Vision(**{name: _READ[name](value) for name, value in data.items() if value is not None})
