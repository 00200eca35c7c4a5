import hashlib
import os
from pathlib import Path

import pytest
from tiny_models import tiny_nanodet, write_zoo

from detectors.zoo.manifest import find_entry, read_model, read_zoo
from models.errors import ModelRefused


def test_the_shipped_model_is_the_one_that_the_zoo_names() -> None:
    entry = find_entry(read_zoo(), "nanodet-g-416")
    assert hashlib.sha256(read_model(entry)).hexdigest() == entry.sha256
    assert len(entry.labels) == 80
    assert (entry.labels[0], entry.labels[2], entry.labels[79]) == ("person", "car", "toothbrush")
    assert entry.licence == "Apache-2.0"
    assert entry.model == f"nanodet-g-416@{entry.sha256[:12]}"


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ModelRefused, match=r"no model 'yolo'; it has: change-320k, nanodet-g-416"):
        find_entry(read_zoo(), "yolo")


def test_models_of_ones_own_stand_beside_those_that_ship(tmp_path: Path) -> None:
    zoo = read_zoo(write_zoo(tmp_path, b"model"))
    assert {"tiny", "nanodet-g-416"} <= set(zoo)


def test_a_card_says_what_is_known_and_nothing_else(tmp_path: Path) -> None:
    card = {"accuracy": "40 mAP", "ms": 12.5}
    found = read_zoo(write_zoo(tmp_path, b"model", card=card))["tiny"].card
    assert (found.accuracy, found.ms, found.limits) == ("40 mAP", 12.5, None)
    for wrong, sentence in (
        ({"speed": "fast"}, "a card has no speed; it has: accuracy, tested_on"),
        ({"ms": "fast"}, "ms must be a number above 0"),
        ({"ms": -1}, "ms must be a number above 0"),
        ({"use": "x" * 501}, "longer than 500 characters"),
    ):
        with pytest.raises(ModelRefused, match=sentence):
            read_zoo(write_zoo(tmp_path, b"model", card=wrong))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[tiny", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"tiny = 3", "cannot be read"),
        (b"[tiny]\nfile = 'x'", "lacks 'input'"),
        (b"tiny = " + b"[" * 5000, "is not TOML"),
    ],
)
def test_a_zoo_that_is_none_is_refused(tmp_path: Path, text: bytes, sentence: str) -> None:
    path = tmp_path / "zoo.toml"
    path.write_bytes(text)
    with pytest.raises(ModelRefused, match=sentence):
        read_zoo(path)


def test_a_missing_zoo_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="No such file"):
        read_zoo(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"licence": None}, "lacks 'licence'"),
        ({"sha256": 7}, "'7' is not text"),
        ({"layout": "yolo9000"}, "no layout 'yolo9000'; there are: .*nanodet"),
        ({"file": "../tiny.onnx"}, "must lie beside"),
        ({"file": "/etc/passwd"}, "must lie beside"),
        ({"labels": []}, "1 to 10000 different names"),
        ({"labels": ["person", "person"]}, "1 to 10000 different names"),
        ({"long_side_px": 65}, "a multiple of 32, not 65"),
        ({"long_side_px": 1 << 20}, "must be 32 to 4096"),
        ({"long_side_px": True}, "not a whole number"),
        ({"multiple_px": 0}, "must be 1 to 256"),
        ({"multiple_px": 8}, "a multiple of 32 for layout nanodet, not 8"),
        ({"channels": "grey"}, "bgr or rgb, not 'grey'"),
        ({"mean": [1.0, 2.0]}, "cannot be read"),
        ({"mean": [10**400, 1.0, 1.0]}, "cannot be read"),
        ({"std": [1.0, 0.0, 1.0]}, "std above 0"),
        ({"resize": "crop"}, "resize must be one of letterbox, shrink, stretch, not 'crop'"),
        ({"fill": 256}, "fill must be 0 to 255, not 256"),
    ],
)
def test_a_wrong_field_is_refused_by_name(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        read_zoo(write_zoo(tmp_path, b"", **changes))


def test_a_name_that_no_alert_could_hold_is_refused(tmp_path: Path) -> None:
    path = write_zoo(tmp_path, b"")
    path.write_text(path.read_text().replace("[tiny", "[" + "t" * 101))
    with pytest.raises(ModelRefused, match="at most 100 characters"):
        read_zoo(path)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.onnx", tmp_path / "zoo"
    inside.mkdir()
    outside.write_bytes(b"model")
    path = write_zoo(inside, b"model", file="link.onnx")
    os.symlink(outside, inside / "link.onnx")
    with pytest.raises(ModelRefused, match="must lie beside"):
        read_zoo(path)


def test_another_hash_is_refused(tmp_path: Path) -> None:
    entry = read_zoo(write_zoo(tmp_path, b"model"))["tiny"]
    (tmp_path / "tiny.onnx").write_bytes(b"model, changed")
    with pytest.raises(ModelRefused, match=r"sha256 of tiny\.onnx is [0-9a-f]{64}, the zoo says"):
        read_model(entry)


def test_a_missing_model_file_says_so(tmp_path: Path) -> None:
    entry = read_zoo(write_zoo(tmp_path, b"model"))["tiny"]
    (tmp_path / "tiny.onnx").unlink()
    with pytest.raises(ModelRefused, match="No such file"):
        read_model(entry)


def test_external_data_is_refused(tmp_path: Path) -> None:
    model = tiny_nanodet()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = 1
    weight.external_data.add(key="location", value="weights.bin")
    entry = read_zoo(write_zoo(tmp_path, model.SerializeToString()))["tiny"]
    with pytest.raises(ModelRefused, match="keeps weights in another file"):
        read_model(entry)


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    entry = read_zoo(write_zoo(tmp_path, b"model"))["tiny"]
    with (tmp_path / "tiny.onnx").open("r+b") as file:
        file.truncate(513 * 1024 * 1024)  # sparse: takes no space
    with pytest.raises(ModelRefused, match="more than 536870912"):
        read_model(entry)
