"""Training pairs, network and scores of the change network; training itself needs JAX and is no test's matter."""

import numpy as np
import onnxruntime as ort
import pytest

from bench.train_change import main
from bench.train_fit import Batches, folded
from bench.train_network import LAYERS, NumpyOps, as_onnx, network, random_weights, through_half
from bench.train_pairs import Pair, make_pair
from bench.train_patterns import Patterns, make_patterns
from bench.train_scores import absdiff, judge, score
from detectors.perception import ChangeFinder
from detectors.zoo.manifest import find_entry, read_zoo

BUILT = (900_004, 900_008, 900_261)
"""Sheds and a roof, by day."""
UNBUILT = (900_032, 900_040, 900_090)
"""The shadow of clouds, wet ground, the shadow of a house; next to nobody passes."""


@pytest.fixture(scope="module")
def patterns() -> Patterns:
    return make_patterns(2)


@pytest.fixture(scope="module")
def pairs(patterns: Patterns) -> list[Pair]:
    """First with a structure, then without one."""
    return [make_pair(seed, patterns) for seed in (*BUILT, *UNBUILT)]


def test_a_seed_gives_the_same_pair_again_and_another_seed_another(pairs: list[Pair]) -> None:
    again = make_pair(BUILT[0], make_patterns(2))
    assert np.array_equal(again.look, pairs[0].look)
    assert np.array_equal(again.lasting, pairs[0].lasting)
    assert not np.array_equal(pairs[1].reference, pairs[0].reference)


def test_labels_lie_where_the_structure_is(pairs: list[Pair]) -> None:
    for pair in pairs[: len(BUILT)]:
        assert pair.kind != "none"
        assert pair.lasting.shape == pair.passing.shape == (24, 40)
        assert (pair.lasting + pair.passing <= 1.0001).all()
        assert pair.share == pytest.approx(pair.lasting.mean(), abs=1e-3)
        # In clear light, built cells are those that differ most.
        difference = absdiff(pair.reference, pair.look)
        assert difference[pair.lasting > 0.9].mean() > 2 * difference[(pair.lasting + pair.passing) == 0].mean()


def test_what_is_lit_anew_or_passes_is_not_built(pairs: list[Pair]) -> None:
    for pair in pairs[len(BUILT) :]:
        assert pair.kind == "none"
        assert not pair.lasting.any()
        assert absdiff(pair.reference, pair.look).max() > 0.5  # and yet a picture like any other


def test_a_crop_keeps_pictures_and_cells_together() -> None:
    cells = np.zeros((1, 24, 40, 2), np.float16)
    cells[0, 5:9, 30:36, 0] = 1
    pixels = np.full((1, 192, 320, 6), 60, np.uint8)
    pixels[0, 40:72, 240:288, 3:] = 180
    images, targets = Batches(5, (12, 20)).draw(pixels, cells, 24)
    assert images.shape == (24, 96, 160, 6)
    assert images.min() >= 0
    assert images.max() <= 1
    seen = 0
    for image, target in zip(images, targets, strict=True):
        marked = np.kron(target[..., 0], np.ones((8, 8))) > 0
        if marked.any():
            seen += 1
            assert image[marked][:, 3:].mean() > image[~marked][:, 3:].mean() + 0.2
    assert seen > 12


def test_the_file_computes_what_the_network_is() -> None:
    """Two sizes: height and width are free. NumPy's plain loops are what ONNX Runtime is held against."""
    weights = random_weights(np.random.default_rng(1))
    weights["answer"] = (weights["answer"][0], np.array([0.3, -0.7], np.float32))
    model = as_onnx(weights, "tiny")
    assert model == as_onnx(weights, "tiny")
    assert len(model) < 1_000_000
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    for height, width in ((32, 64), (64, 96)):
        pair = np.random.default_rng(height).random((1, 6, height, width), np.float32)
        found = session.run(["change"], {"pair": pair})[0]
        assert found.shape == (1, 2, height // 8, width // 8)
        assert found == pytest.approx(network(NumpyOps(through_half(weights)), pair), abs=1e-4)
    assert found.std() > 1e-4  # it is not one number everywhere


def test_normalisation_folds_into_the_weights() -> None:
    rng = np.random.default_rng(2)
    inputs, outputs, side = LAYERS["down_4"]
    kernel = rng.normal(size=(side, side, inputs, outputs)).astype(np.float32)
    own = {"kernel": kernel, "bias": rng.normal(size=outputs), "scale": rng.uniform(0.5, 2, outputs)}
    mean, variance = rng.normal(size=outputs), rng.uniform(0.5, 2, outputs)
    value = rng.random((1, inputs, 8, 8), np.float32)
    bare = NumpyOps({"down_4": (kernel.transpose(3, 2, 0, 1), np.zeros(outputs, np.float32))}).conv(value, "down_4")
    gain = own["scale"] / np.sqrt(variance + 1e-4)
    expected = (bare - mean[:, None, None]) * gain[:, None, None] + own["bias"][:, None, None]
    found = NumpyOps(folded({"down_4": own}, {"down_4": (mean, variance)})).conv(value, "down_4")
    assert found == pytest.approx(expected, abs=1e-4)


def test_scores_of_known_answers() -> None:
    new = np.array([False] * 98 + [True] * 2)
    values = np.arange(100, dtype=np.float32)
    perfect, reverse, half = score(values, new), score(-values, new), score(np.where(new, values, 99.5), new)
    assert perfect is not None
    assert reverse is not None
    assert half is not None
    assert (perfect.auc, perfect.ap, perfect.recall, perfect.cells) == (1, 1, 1, 2)
    assert reverse.auc == reverse.recall == 0
    assert reverse.ap < 0.02
    assert score(values, np.zeros(100, bool)) is None


def test_the_shipped_network_tells_what_was_built_from_light(pairs: list[Pair]) -> None:
    finder = ChangeFinder.load(find_entry(read_zoo(), "change-320k"))
    lit_anew = max(float(finder.compare(pair.reference, pair.look)[0].mean()) for pair in pairs[len(BUILT) :])
    for pair in pairs[: len(BUILT)]:
        sure = finder.compare(pair.reference, pair.look)[0]
        assert sure.shape == pair.lasting.shape
        built, rest = sure[pair.lasting > 0.9], sure[(pair.lasting + pair.passing) == 0]
        assert built.mean() > 4 * rest.mean()
        assert built.mean() > 4 * lit_anew


def test_what_passes_counts_apart(pairs: list[Pair]) -> None:
    """One who marks the passing cells too is perfect but where built is to be told from passing."""
    by_look = {pair.look.tobytes(): pair for pair in pairs}

    def marks_both(_: object, look: np.ndarray) -> np.ndarray:
        pair = by_look[look.tobytes()]
        return np.maximum(pair.lasting, pair.passing)

    found = judge(pairs, {"both": marks_both})["both"]
    assert found["all"].auc == found["all"].recall == 1
    assert found["built or passing"].auc < 0.9


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["judge", "--model", "/nowhere/change.onnx"], "/nowhere/change.onnx is not there: train a model first"),
        (["judge", "--count", "0"], "'0' is not a number from 1 to 100000"),
    ],
)
def test_a_command_that_cannot_be_followed_says_why(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code != 0
    assert sentence in f"{ended.value.code}{capsys.readouterr().err}"
