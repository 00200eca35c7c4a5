"""Gates by sight: people who wait before one, and what stands in its way.

A queue is counted where people wait, so its zone is drawn there and not on the way through; who only walks by is gone
before the dwell is over.
"""

from detectors.obstruction import VEHICLES, obstruction
from detectors.presence import presence

QUEUE = presence("gate_queue", frozenset({"person"}), "persons")
BLOCKED = obstruction("gate_blocked", VEHICLES | {"motorcycle", "bicycle", "e-bike"}, "vehicle")
