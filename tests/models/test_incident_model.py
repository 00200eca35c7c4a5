"""Incidents: their JSON, and what is refused as one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from models.errors import InvalidInput
from models.geo import GeoPoint
from models.incident import KINDS, Evidence, Incident, Phase, Severity, kind_of
from models.incident_json import incident_from_json, incident_to_json

INCIDENT = Incident(
    source="worker-1",
    seq=7,
    kind="crowding",
    phase=Phase.ONSET,
    camera_id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
    zone_id="square",
    severity=Severity.ORANGE,
    confidence=0.87,
    place=GeoPoint(109.0293, 32.6845),
    accuracy_m=4.5,
    onset_s=1_800_000_000.25,
    at_s=1_800_000_010.5,
    measure={"persons": 23.0, "area_m2": 410.2},
    reason="23 persons on 410 m²",
    model="nanodet-g-416 1",
    evidence=(Evidence("ab" * 32, "still", "image/jpeg", 1_800_000_010.5),),
)


def test_an_incident_survives_json() -> None:
    for incident in (INCIDENT, replace(INCIDENT, zone_id=None, model=None, evidence=(), phase=Phase.CLEARED)):
        assert incident_from_json(json.loads(json.dumps(incident_to_json(incident)))) == incident


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "face_match"},
        {"phase": "sometimes"},
        {"severity": 9},
        {"severity": None},
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"confidence": "high"},
        {"place": [32.6, 109.0]},
        {"place": [1, 2, 3]},
        {"place": None},
        {"seq": 0},
        {"seq": "seven"},
        {"evidence": [{"sha256": "x"}]},
        {"evidence": [{"sha256": "x", "kind": "k", "media_type": "m", "at_s": 1, "face_id": 3}]},
        {"evidence": 5},
        {"measure": 5},
        {"at_s": None},
    ],
    ids=str,
)
def test_what_is_no_incident_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        incident_from_json({**incident_to_json(INCIDENT), **change})


def test_a_missing_field_is_refused() -> None:
    whole = incident_to_json(INCIDENT)
    for name in whole:
        with pytest.raises(InvalidInput, match="not an incident"):
            incident_from_json({key: value for key, value in whole.items() if key != name})


def test_what_happens_in_one_zone_folds_and_elsewhere_does_not() -> None:
    assert replace(INCIDENT, seq=8, phase=Phase.CLEARED).fold_key == INCIDENT.fold_key
    others = {
        replace(INCIDENT, zone_id="other").fold_key,
        replace(INCIDENT, zone_id=None).fold_key,
        replace(INCIDENT, camera_id="other").fold_key,
        replace(INCIDENT, kind="camera_offline").fold_key,
        INCIDENT.fold_key,
    }
    assert len(others) == 5


def test_every_kind_has_both_names_and_defaults_in_range() -> None:
    for code, kind in KINDS.items():
        assert kind.code == code
        assert kind.name_zh
        assert kind.name_en
        for parameter in kind.parameters.values():
            assert parameter.low <= parameter.default <= parameter.high


def test_an_unknown_kind_names_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="crowding"):
        kind_of("crowdng")
