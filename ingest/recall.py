"""What a child answers when somebody asks why: what the rules said, and what another set-up would have raised."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detectors.hindsight import Hindsight, Raised, Said
from ingest.messages import sighting_to_json
from models.camera import CameraPoint, zone_from_json

LONGEST_S = 3.0
"""The cameras of a child wait for as long; one that is silent for 8 s is taken to be stuck."""
MOST_RAISED = 100
MOST_SAYINGS, LONGEST_TEXT = 1000, 500
"""The latest of them are told, of all zones together: a message has a limit."""


def explained(hindsight: Hindsight, fields: Mapping[str, Any]) -> dict[str, Any]:
    """``since_s``: Unix seconds."""
    return {"said": _said(hindsight.explain(fields["since_s"]))}


def rehearsed(hindsight: Hindsight, camera: CameraPoint, fields: Mapping[str, Any]) -> dict[str, Any]:
    """``zone``: to be tried alone, in place of the camera's own. Raises InvalidInput."""
    tried = replace(camera, zones=(zone_from_json(fields["zone"]),))
    ends_s = time.monotonic() + LONGEST_S
    found = hindsight.rehearse(tried, fields["since_s"], lambda: time.monotonic() > ends_s)
    return {
        "from_s": found.from_s,
        "until_s": found.until_s,
        "looks": found.looks,
        "raised": [_raised(each) for each in found.raised[-MOST_RAISED:]],
        "said": _said(found.said),
    }


def _said(said: Mapping[str, list[Said]]) -> dict[str, list[dict[str, Any]]]:
    most = max(1, MOST_SAYINGS // max(len(said), 1))
    return {key: [_saying(each) for each in sayings[-most:]] for key, sayings in said.items()}


def _saying(said: Said) -> dict[str, Any]:
    return said.to_json() | {"text": said.text[:LONGEST_TEXT]}


def _raised(each: Raised) -> dict[str, Any]:
    return {
        "begin": sighting_to_json(each.begin),
        "worst": sighting_to_json(each.worst),
        "ended_s": each.ended_s,
    }
