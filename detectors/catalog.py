"""The rules there are. A new kind that a camera can see is one record in ``models.incident``, one module, one line."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from detectors import crowding, ebike, gate, held_open, intrusion, left_object, obstruction, tailgating
from detectors.rule import Rule

RULES: Mapping[str, Rule[Any]] = MappingProxyType(
    {
        rule.kind: rule
        for rule in (
            crowding.RULE,
            intrusion.RULE,
            obstruction.RULE,
            ebike.RULE,
            left_object.RULE,
            gate.QUEUE,
            gate.BLOCKED,
            tailgating.RULE,
            held_open.RULE,
        )
    }
)
