"""Layouts of other families than the default's: what is read out of given numbers, and what is refused at load."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tiny_models import constant_model, tiny_map, tiny_nanodet, write_zoo

from detectors.boxes import Tiling
from detectors.perception import ChangeFinder, CrowdCounter, Perception
from detectors.zoo.manifest import ZooEntry, find_for, read_zoo
from models.detections import Detections
from models.errors import InvalidInput, ModelRefused

FIXED = ((1, 3, 64, 64),)
CELLS = 8 * 8 + 4 * 4 + 2 * 2
"""Of a 64 x 64 input at strides 8, 16 and 32."""
PICTURE = np.zeros((128, 96, 3), np.uint8)
"""Fitted into 64 x 64 by half: a pixel of the model is two of the picture."""


def entry(folder: Path, model: onnx.ModelProto, **changes: Any) -> ZooEntry:
    return read_zoo(write_zoo(folder, model.SerializeToString(), **changes))["tiny"]


def seen(folder: Path, model: onnx.ModelProto, **changes: Any) -> Detections:
    return Perception.load(entry(folder, model, **changes)).look(PICTURE, Tiling(), 0.3).detections


def told(found: Detections) -> list[tuple[str, list[float], float]]:
    return [
        (found.names[label], box, round(score, 3))
        for box, score, label in zip(
            found.boxes_px.round(2).tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
        )
    ]


def yolox(row: list[float], cell: int = 64 + 5, labels: int = 2) -> onnx.ModelProto:
    values = np.zeros((1, CELLS, 5 + labels))
    values[0, cell] = row
    return constant_model({"whatever": values}, FIXED)


def test_yolox_on_its_grid(tmp_path: Path) -> None:
    """Cell 5 of stride 16 is column 1 of row 1; objectness times class is the score."""
    model = yolox([0.5, 0.25, np.log(1.0), np.log(2.0), 0.8, 0.1, 0.9])
    assert told(seen(tmp_path, model, layout="yolox")) == [("car", [32, 8, 64, 72], 0.72)]


def test_yolox_decoded(tmp_path: Path) -> None:
    model = yolox([24, 20, 16, 32, 0.8, 0.9, 0.1])
    assert told(seen(tmp_path, model, layout="yolox-decoded")) == [("person", [32, 8, 64, 72], 0.72)]


def test_yolov8_has_no_objectness(tmp_path: Path) -> None:
    values = np.zeros((1, 6, CELLS))
    values[0, :, 7] = [24, 20, 16, 32, 0.2, 0.6]
    model = constant_model({"output0": values}, FIXED)
    assert told(seen(tmp_path, model, layout="yolov8")) == [("car", [32, 8, 64, 72], 0.6)]


def detr(logits: list[list[float]], boxes: list[list[float]]) -> dict[str, np.ndarray]:
    return {"logits": np.array([logits]), "pred_boxes": np.array([boxes])}


def test_detr_is_fractions_and_its_queries_are_things_of_their_own(tmp_path: Path) -> None:
    """Two people one behind the other overlap by four fifths: in other families one of them would go."""
    boxes = [[0.5, 0.5, 0.25, 0.5], [0.525, 0.5, 0.25, 0.5], [0.1, 0.1, 0.1, 0.1]]
    model = constant_model(detr([[2, -9], [1, -9], [-9, -9]], boxes), FIXED)
    found = told(seen(tmp_path, model, layout="detr", resize="stretch"))
    assert [(box, score) for _, box, score in found] == [
        (pytest.approx([36, 32, 60, 96]), 0.881),
        (pytest.approx([38.4, 32, 62.4, 96]), 0.731),
    ]


def test_outputs_of_other_names_are_named_in_the_zoo(tmp_path: Path) -> None:
    given = detr([[2.0, -9.0]], [[0.5, 0.5, 0.25, 0.5]])
    model = constant_model({"labels": given["logits"], "dets": given["pred_boxes"]}, FIXED)
    with pytest.raises(ModelRefused, match="lacks: logits, pred_boxes; it has: labels, dets"):
        seen(tmp_path, model, layout="detr")
    assert len(seen(tmp_path, model, layout="detr", outputs=["labels", "dets"])) == 1
    with pytest.raises(ModelRefused, match="in this order: logits, pred_boxes"):
        seen(tmp_path, model, layout="detr", outputs=["labels"])


def test_centerface(tmp_path: Path) -> None:
    heat, sides, offset = np.zeros((1, 1, 16, 16)), np.zeros((1, 2, 16, 16)), np.zeros((1, 2, 16, 16))
    heat[0, 0, 5, 3] = 0.9
    sides[0, :, 5, 3] = np.log([4.0, 2.0])
    offset[0, :, 5, 3] = [0.5, 0.0]
    model = constant_model({"537": heat, "538": sides, "539": offset}, FIXED)
    assert told(seen(tmp_path, model, layout="centerface", labels=["face"])) == [("face", [20, 32, 36, 64], 0.9)]


def test_a_density_map_counts_where_people_are(tmp_path: Path) -> None:
    """A bright square of 16 x 16 pixels in a picture of 100 x 60: what fills it up to 64 counts nobody."""
    model = entry(tmp_path, tiny_map(gain=0.5, bias=0.01), layout="density", labels=["person"], resize="shrink")
    bgr = np.zeros((60, 100, 3), np.uint8)
    bgr[16:32, 64:80] = 255
    found = CrowdCounter.load(model).count(bgr)
    assert found.persons.shape == (5, 8)
    left = found.within(((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)))
    assert left == pytest.approx(0.01 * 5 * 0.4 * 8, rel=0.1)
    assert found.total > 5 * left


def test_a_small_picture_is_not_enlarged_for_a_density_map(tmp_path: Path) -> None:
    model = entry(tmp_path, tiny_map(gain=0.5), layout="density", labels=["person"], resize="shrink")
    assert CrowdCounter.load(model).count(np.zeros((32, 32, 3), np.uint8)).persons.shape == (4, 4)


@pytest.mark.parametrize("shapes", [((1, 6, 64, 64),), ((1, 3, 64, 64), (1, 3, 64, 64))])
def test_a_change_mask_is_the_share_of_what_is_not_unchanged(tmp_path: Path, shapes: Any) -> None:
    logits = np.zeros((1, 3, 8, 8))
    logits[0, 1, 2, 3] = 10.0
    model = constant_model({"change": logits}, shapes)
    made = entry(tmp_path, model, layout="change-mask", labels=["unchanged", "building", "road"])
    found = ChangeFinder.load(made).compare(PICTURE, PICTURE)
    assert found.shape == (2, 8, 8)
    assert found[0, 2, 3] > 0.99
    assert found[1, 0, 0] == pytest.approx(1 / 3)


def test_change_reads_the_look_after_the_reference(tmp_path: Path) -> None:
    model = entry(tmp_path, tiny_map(channels=6, name="new"), layout="change", labels=["structure"])
    finder = ChangeFinder.load(model)
    bright = np.full((100, 200, 3), 255, np.uint8)
    found = finder.compare(np.zeros_like(bright), bright)
    assert found.shape == (1, 4, 8)
    assert found.min() > 0.99
    assert finder.compare(bright, np.zeros_like(bright)).max() < 0.01
    with pytest.raises(InvalidInput, match="cannot be compared"):
        finder.compare(bright, bright[:50])


def broken(values: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, values)


LOADS = {"density": CrowdCounter, "change": ChangeFinder, "change-mask": ChangeFinder}


@pytest.mark.parametrize(
    ("layout", "outputs", "sentence"),
    [
        ("yolox", {"output": np.zeros((1, CELLS, 86))}, "tells 81 classes apart, the zoo names 2 labels"),
        ("yolox", {"output": np.zeros((1, 10, 7))}, r"shape \(1, 10, 7\), expected \(1, 84, 7\)"),
        ("yolox", {"output": broken(5, (1, CELLS, 7))}, "reach 5, scores are 0 to 1: is the sigmoid missing"),
        ("yolox", {"output": np.tile([9, 9, 30, 30, 0.5, 0.5, 0.5], (1, CELLS, 1))}, "whose layout is yolox-decoded"),
        ("yolox-decoded", {"output": np.tile([0, 0, -1, -1, 0.5, 0.5, 0.5], (1, CELLS, 1))}, "whose layout is yolox"),
        ("yolov8", {"output0": np.zeros((1, 85, CELLS))}, "tells 81 classes apart, the zoo names 2 labels"),
        ("yolov8", {"output0": np.zeros((1, CELLS, 6))}, "export it without NMS"),
        ("yolov8", {"output0": np.zeros((1, CELLS, 7))}, "turned on its side, or YOLOX"),
        ("yolov8", {"output0": broken(0.5, (1, 6, CELLS))}, "fractions of the picture, pixels are expected"),
        ("yolov8", {"output0": broken(np.nan, (1, 6, CELLS))}, "weights are broken: output0 holds no numbers"),
        ("yolov8", {"output0": broken(np.inf, (1, 6, CELLS))}, "weights are broken: output0 holds no numbers"),
        ("detr", detr([[0, 0, 0]], [[0, 0, 0, 0]]), "tells 3 classes apart.*softmax with a class for nothing"),
        ("detr", detr([[0, 0]], [[300, 300, 10, 10]]), "boxes reach 300, fractions of the picture are expected"),
        ("detr", detr([[0, 0]], [[0, 0, 0]]), r"pred_boxes has shape \(1, 1, 3\), expected \(1, 1, 4\)"),
        ("density", {"map": broken(1.0, (1, 1, 64, 64))}, "counts 4096 persons in a 64 x 64 picture of nobody"),
        ("density", {"map": np.zeros((1, 1, 9, 9))}, "9 x 9 cells do not divide a 64 x 64 picture"),
        ("density", {"map": np.zeros((1, 64, 64))}, r"shape \(1, 64, 64\), expected \(1, 1, rows, columns\)"),
        ("change", {"map": np.zeros((1, 2, 8, 8))}, "tells 2 classes apart, the zoo names 1 labels"),
        ("change", {"map": broken(3.0, (1, 1, 8, 8))}, "reaches 3, expected 0 to 1: is its sigmoid missing"),
        ("change-mask", {"map": np.zeros((1, 1, 8, 8))}, "at least 2 labels apart"),
    ],
)
def test_what_does_not_fit_its_layout_is_refused(
    tmp_path: Path, layout: str, outputs: dict[str, np.ndarray], sentence: str
) -> None:
    shapes = ((1, 6, 64, 64),) if layout.startswith("change") else FIXED
    labels = ["person"] if layout in LOADS else ["person", "car"]
    made = entry(tmp_path, constant_model(outputs, shapes), layout=layout, labels=labels)
    with pytest.raises(ModelRefused, match=sentence):
        LOADS.get(layout, Perception).load(made)


def test_half_precision_is_refused(tmp_path: Path) -> None:
    model = constant_model({"output0": np.zeros((1, 6, CELLS))}, FIXED, TensorProto.FLOAT16)
    with pytest.raises(ModelRefused, match=r"must be tensor\(float\): output0 is tensor\(float16\)"):
        seen(tmp_path, model, layout="yolov8")


def test_a_pair_network_takes_two_pictures_and_a_detector_one(tmp_path: Path) -> None:
    pair = entry(tmp_path, constant_model({"map": np.zeros((1, 1, 8, 8))}, FIXED), layout="change", labels=["new"])
    with pytest.raises(ModelRefused, match=r"one input of shape .* or two"):
        ChangeFinder.load(pair)
    with pytest.raises(ModelRefused, match="layout change gives change, boxes is needed here"):
        Perception.load(pair)


def test_what_a_model_is_used_for_asks_for_its_label(tmp_path: Path) -> None:
    zoo = read_zoo(write_zoo(tmp_path, tiny_nanodet().SerializeToString(), labels=["face", "car"]))
    assert find_for("faces", zoo, "tiny").name == "tiny"
    with pytest.raises(ModelRefused, match="no label 'person', without which it is of no use as detector"):
        find_for("detector", zoo, "tiny")
    with pytest.raises(ModelRefused, match="layout nanodet gives boxes, but density is needed as density"):
        find_for("density", zoo, "tiny")


def test_extreme_numbers_are_no_overflow(tmp_path: Path) -> None:
    model = yolox([0, 0, 11.9, 11.9, 1, 1, 1])
    assert told(seen(tmp_path, model, layout="yolox"))[0][1] == [0, 0, 96, 128]
    high = constant_model(detr([[1e30, -1e30]], [[0.5, 0.5, 0.5, 0.5]]), FIXED)
    assert len(seen(tmp_path, high, layout="detr")) == 1
