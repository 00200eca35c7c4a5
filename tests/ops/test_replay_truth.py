"""Truth files: what fits is read; what does not is refused with a sentence for each fault."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidInput, TooLarge
from ops.replay_truth import EXAMPLE, MOST_BYTES, Truth, camera_of, check_truth, read_truth, read_view, truth_of
from tests.ops.replay_scene import LENGTH_S, document, truth

TRUTHS = Path(__file__).resolve().parents[2] / "bench" / "truth"


def faults(**changed: object) -> list[str]:
    known = truth(**changed)
    with pytest.raises(InvalidInput) as refused:
        check_truth(known, camera_of(known.camera), LENGTH_S)
    return [str(fault) for fault in refused.value.faults]


def happening(**changed: object) -> dict[str, Any]:
    return {"kind": "intrusion", "zone": "room", "onset_s": 6.0, "end_s": 14.0} | changed


def test_the_example_and_the_truths_of_the_bench_fit_their_schema() -> None:
    example = truth_of(json.dumps(EXAMPLE).encode(), "example")
    check_truth(example, camera_of(example.camera), 200.0)
    assert sorted(path.stem for path in TRUTHS.glob("*.json")) >= ["car_detection", "highway"]
    (shown,) = re.findall(r"```json\n(.*?)```", (TRUTHS.parents[1] / "docs" / "accuracy.md").read_text(), re.S)
    documented = truth_of(shown.encode(), "docs/accuracy.md")
    check_truth(documented, camera_of(documented.camera), 200.0)
    for path in TRUTHS.glob("*.json"):
        known = read_truth(path)
        check_truth(known, camera_of(known.camera), 1000.0)
    assert Truth.model_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x00\xff", "Invalid JSON"),
        (b"[1]", "should be an object"),
        (b'{"incident": []}', "incident: Extra inputs"),
        (b'{"incidents": [{"kind": "intrusion", "onset_s": -1}]}', "incidents.0.onset_s"),
        (b'{"incidents": [{"kind": "intrusion", "onset_s": NaN}]}', "finite number"),
        (b'{"counts": [{"zone": "a", "at_s": 1, "persons": 2.5}]}', "counts.0.persons"),
        (b'{"begins_at": "2026-01-05T10:00:00"}', "timezone"),
        (b'{"begins_at": "0001-01-01T00:00:00Z"}', "begins_at: Input should be greater"),
        (b"[" * 100_000, "Invalid JSON"),
    ],
)
def test_what_is_no_truth_is_refused_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match="is not as it should be") as refused:
        truth_of(data, "t.json")
    assert said in " ".join(map(str, refused.value.faults))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(TooLarge, match="larger than 10 MB"):
        read_truth(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_truth(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "flood"}, "there is no incident kind 'flood'"),
        ({"kind": "geohazard"}, "cannot be seen in a picture"),
        ({"zone": "hall"}, "there is no zone 'hall'; there are: room"),
        ({"kind": "e_bike"}, "zone room does not watch for e_bike"),
        ({"zone": None}, "intrusion happens in a zone"),
        ({"kind": "camera_black"}, "is of the whole camera"),
        ({"end_s": 5.0}, "it ends at 5 s, before it begins at 6 s"),
        ({"onset_s": 41.0, "end_s": None}, "after the footage's end at 40.0 s"),
        ({"place": [200.0, 0.0]}, "is not on Earth"),
    ],
)
def test_an_incident_that_does_not_fit_is_named(changed: dict[str, Any], said: str) -> None:
    (fault,) = faults(incidents=[happening(**changed)])
    assert fault.startswith("incidents.0: ")
    assert said in fault


def test_incidents_that_overlap_are_to_be_joined() -> None:
    (fault,) = faults(incidents=[happening(), happening(onset_s=10.0, end_s=None)])
    assert fault == "incidents.1: it overlaps incidents.0 of the same kind and zone: join them"


def test_counts_of_absent_pictures_and_zones_are_named() -> None:
    counts = [
        {"zone": "hall", "at_s": 1.0, "persons": 1},
        {"zone": "room", "at_s": 40.5, "persons": 1},
        {"zone": "room", "at_s": 2.0, "persons": 1},
        {"zone": "room", "at_s": 2.0, "persons": 3},
    ]
    assert faults(counts=counts) == [
        "counts.0: people are not counted in zone 'hall'; they are in: room",
        "counts.1: there is no picture at 40.5 s: the footage ends at 40.0 s",
        "counts.3: zone room was counted at 2 s already",
    ]


def test_quiet_spans_are_quiet_in_order_and_inside() -> None:
    spans = [(0.0, 7.0), (5.0, 4.0), (41.0, 50.0)]
    found = faults(quiet=[{"from_s": begin, "until_s": end} for begin, end in spans])
    assert found == [
        "quiet.0: it is not quiet: incidents.0 (intrusion) is in it",
        "quiet.1: it ends at 4 s, before it begins at 5 s",
        "quiet.2: it begins at 41 s, after the footage's end at 40.0 s",
        "quiet: two spans overlap at 5 s: join them",
    ]


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ({"kinds": ["flood"]}, "there is no incident kind"),
        ({"polygon": [[0, 0], [2, 0], [1, 1]]}, "fractions of the picture"),
        ({"levels": {"intrusion": {"dwell_s": -1}}}, "cannot be judged as it is set up"),
        ({"polygon": 7}, "is not as in"),
        ({"template": "square-evening"}, "state its levels and hours"),
    ],
)
def test_a_camera_that_cannot_be_judged_is_refused(zone: dict[str, Any], said: str) -> None:
    known = document()
    known["camera"]["zones"][0].update(zone)
    with pytest.raises(InvalidInput, match=said):
        camera_of(truth_of(json.dumps(known).encode(), "t.json").camera)


def test_a_camera_says_how_it_is_looked_at() -> None:
    known = document()
    known["camera"]["vision"] = {"seeing": 1}
    with pytest.raises(InvalidInput, match="vision has no 'seeing'"):
        camera_of(truth_of(json.dumps(known).encode(), "t.json").camera)


def test_other_zones_can_be_tried(tmp_path: Path) -> None:
    other = tmp_path / "zones.json"
    zone = {"id": "door", "name": "Door", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["intrusion"]}
    other.write_text(json.dumps({"zones": [zone]}))
    assert [zone.id for zone in camera_of(read_view(other)).zones] == ["door"]
