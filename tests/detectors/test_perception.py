from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import REACH, constant_model, tiny_nanodet, write_zoo

from detectors.boxes import Tiling
from detectors.perception import Perception
from detectors.zoo.manifest import find_entry, read_zoo
from models.errors import ModelRefused
from models.frame import Pixels


def load(folder: Path, model: onnx.ModelProto, **changes: Any) -> Perception:
    return Perception.load(read_zoo(write_zoo(folder, model.SerializeToString(), **changes))["tiny"])


def white_square(width: int, height: int, left: int, top: int, side: int) -> Pixels:
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[top : top + side, left : left + side] = 255
    return bgr


@pytest.fixture(scope="session")
def nanodet() -> Perception:
    return Perception.load(find_entry(read_zoo(), "nanodet-g-416"))


@pytest.fixture
def tiny(tmp_path: Path) -> Perception:
    return load(tmp_path, tiny_nanodet())


def test_a_box_comes_back_in_pixels_of_the_frame(tiny: Perception) -> None:
    """A 128 x 96 frame is looked at in 64 x 48, filled to 64 x 64: one cell of 8 is 16 pixels of the frame."""
    seen = tiny.look(white_square(128, 96, 32, 48, 16), Tiling(), 0.5)
    assert len(seen.detections) == 1
    centre, reach = np.array([40, 56]), REACH * 16
    assert seen.detections.boxes_px[0] == pytest.approx([*(centre - reach), *(centre + reach)])
    assert seen.detections.scores[0] == pytest.approx(1, abs=1e-3)
    assert seen.detections.names == ("person", "car")
    assert seen.model.startswith("tiny@")


def test_boxes_end_at_the_frame(tiny: Perception) -> None:
    seen = tiny.look(white_square(128, 96, 0, 0, 16), Tiling(), 0.5)
    assert seen.detections.boxes_px[0] == pytest.approx([0, 0, 32, 32])


def test_a_black_picture_shows_nothing(tiny: Perception) -> None:
    assert len(tiny.look(np.zeros((96, 128, 3), np.uint8), Tiling(), 0.01).detections) == 0


def test_features_lie_where_their_cells_are(tiny: Perception) -> None:
    (whole,) = tiny.look(white_square(128, 96, 32, 48, 16), Tiling(), 0.5).features
    assert (whole.left_px, whole.top_px, whole.stride_px, whole.values.shape) == (0, 0, 16, (3, 8, 8))
    assert np.argwhere(whole.values[0] > 0.5).tolist() == [[3, 2]]
    right = tiny.look(white_square(128, 96, 32, 48, 16), Tiling(columns=2, overlap=0), 0.5).features[1]
    assert (right.left_px, right.top_px) == (64, 0)


def test_two_tiles_that_see_the_same_thing_report_it_once(tiny: Perception) -> None:
    """The square lies where both tiles look, and the right one's edge cuts its box."""
    bgr = white_square(256, 256, 120, 120, 8)
    seen = tiny.look(bgr, Tiling(2, 1, overlap=0.125, long_side_px=256), 0.5)
    assert seen.detections.boxes_px.tolist() == [pytest.approx([112, 112, 136, 136])]
    for left in (100, 112):
        alone = tiny.look(bgr[:, left:], Tiling(long_side_px=256), 0.2)
        assert len(alone.detections) >= 1


def test_no_score_is_above_one(tmp_path: Path) -> None:
    boxes = np.array([[[0.5, 0.5, 0.2, 0.2]]])
    logits = np.array([[[90.0, -90.0]]])
    sure = load(tmp_path, constant_model({"logits": logits, "pred_boxes": boxes}), layout="detr")
    assert sure.look(np.zeros((64, 64, 3), np.uint8), Tiling(), 0.5).detections.scores.max() <= 1
    over = np.zeros((1, 6, 84), np.float32)
    over[0, :, 0] = [32, 32, 16, 16, 1.0009, 0]
    rounded = load(tmp_path, constant_model({"output0": over}), layout="yolov8")
    assert rounded.look(np.zeros((64, 64, 3), np.uint8), Tiling(), 0.5).detections.scores.tolist() == [1.0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 7), (2160, 3840)])
def test_a_picture_of_any_shape_is_looked_at(tiny: Perception, shape: tuple[int, int]) -> None:
    seen = tiny.look(np.full((*shape, 3), 255, np.uint8), Tiling(2, 2), 0.5)
    boxes = seen.detections.boxes_px
    assert np.isfinite(boxes).all()
    assert (boxes >= 0).all()
    assert (boxes <= [shape[1], shape[0], shape[1], shape[0]]).all()


def test_a_model_of_fixed_size_is_fed_that_size(tmp_path: Path) -> None:
    fixed = load(tmp_path, tiny_nanodet(side=96))
    seen = fixed.look(white_square(192, 96, 96, 32, 16), Tiling(), 0.5)
    assert seen.detections.boxes_px[0] == pytest.approx([104 - 24, 40 - 24, 104 + 24, 40 + 24])


def test_rgb_models_are_fed_rgb(tmp_path: Path) -> None:
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[:, :, 0] = 255
    values = load(tmp_path, tiny_nanodet(), channels="rgb").look(blue, Tiling(), 0.5).features[0].values
    assert values.mean(axis=(1, 2)) == pytest.approx([0, 0, 1])


def no_such_outputs() -> onnx.ModelProto:
    return tiny_nanodet(strides=(8, 16))


def two_inputs() -> onnx.ModelProto:
    model = tiny_nanodet()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    model.graph.output.append(helper.make_tensor_value_info("more_out", TensorProto.FLOAT, None))
    model.graph.node.append(helper.make_node("Identity", ["more"], ["more_out"]))
    return model


def grey_input() -> onnx.ModelProto:
    model = tiny_nanodet()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    return model


def too_few_cells() -> onnx.ModelProto:
    model = tiny_nanodet()
    for node in model.graph.node:
        if node.output[0] == "pool_16":
            node.attribute[1].ints[:] = [32, 32]
    return model


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (lambda: tiny_nanodet(labels=3), "scores_8 tells 3 classes apart, the zoo names 2 labels"),
        (lambda: tiny_nanodet(bins=8), r"boxes_8 has shape \(1, 64, 32\), expected \(1, 64, 44\)"),
        (lambda: tiny_nanodet(dtype=TensorProto.FLOAT16), r"must be tensor\(float\): scores_8 is tensor\(float16\)"),
        (lambda: tiny_nanodet(side=60), r"sides \[60, 60\] are not multiples of 32"),
        (lambda: tiny_nanodet(side=1 << 20), r"sides \[1048576, 1048576\] are more than 4096 pixels"),
        (no_such_outputs, "lacks: scores_32, boxes_32"),
        (two_inputs, "one input of shape"),
        (grey_input, "one input of shape|not a model that ONNX Runtime can run"),
        (too_few_cells, r"scores_16 has shape \(1, 4, 2\), expected \(1, 16, 2\)"),
        (onnx.ModelProto, "not a model that ONNX Runtime can run"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path: Path, model: Any, sentence: str) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        load(tmp_path, model())


@pytest.mark.parametrize("data", [b"", b"\x00" * 1000, b"GIF89a", bytes(range(256)) * 40])
def test_bytes_that_are_no_model_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelRefused, match="not a model that ONNX Runtime can run"):
        Perception.load(read_zoo(write_zoo(tmp_path, data))["tiny"])


def test_the_shipped_model_sees_people_on_real_footage(nanodet: Perception, vtest: Path) -> None:
    """Frame 730 shows eight people on foot and one far away; a van and a car stand in the corner."""
    bgr = frame_of(vtest, 730)
    for tiling in (Tiling(), Tiling(2, 1)):
        seen = nanodet.look(bgr, tiling, 0.2)
        people = seen.detections.of(frozenset({"person"}), 0.35)
        assert 7 <= len(people) <= 13
        standing = [(77, 242), (290, 258), (320, 272), (535, 305), (573, 263), (604, 177), (112, 316)]
        for foot in standing:
            assert np.hypot(*(people.feet_px - foot).T).min() < 15
        assert len(seen.detections.of(frozenset({"car", "truck", "bus"}), 0.3)) >= 1


def test_the_shipped_model_keeps_its_backbone_features(nanodet: Perception, vtest: Path) -> None:
    features = nanodet.look(frame_of(vtest, 0), Tiling(), 0.2).features
    assert [f.values.shape for f in features] == [(128, 40, 52), (256, 20, 26), (512, 10, 13)]
    assert features[0].stride_px == pytest.approx(8 * 768 / 416)


def test_without_pixels_of_people_there_are_none(nanodet: Perception) -> None:
    grey = np.full((576, 768, 3), 128, np.uint8)
    assert len(nanodet.look(grey, Tiling(), 0.35).detections.of(frozenset({"person"}))) == 0


def test_a_picture_of_noise_costs_no_more_than_a_look(nanodet: Perception) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (576, 768, 3), dtype=np.uint8)
    seen = nanodet.look(noise, Tiling(), 0.001)
    assert len(seen.detections) <= 1000


def frame_of(footage: Path, index: int) -> Pixels:
    video = cv2.VideoCapture(str(footage))
    try:
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, bgr = video.read()
        assert read
        return bgr
    finally:
        video.release()
