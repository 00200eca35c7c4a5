import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.boxes import Tiling
from detectors.calibration import FORM, SCORES, Sample, fit, sample_from_json, take_sample
from detectors.counting import MIN_SCORE
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

COUNTS = (12, 20, 31, 8, 25, 16, 40, 22, 10, 35)


def sample(persons: int, seed: int = 0, share: float = 0.7) -> Sample:
    """A model that sees so many of the persons, surely or hardly, and as many things again that are none, hardly."""
    random = np.random.default_rng(seed)
    seen = random.uniform(0.2, 0.9, round(share * persons))
    wrong = random.uniform(0.1, 0.3, persons)
    scores = np.concatenate([seen, wrong]).astype(np.float32)
    return Sample(640, 480, "tiny@1", scores, int((scores >= MIN_SCORE).sum()))


def frames(counts: tuple[int, ...] = COUNTS, **more: Any) -> tuple[dict[str, Sample], dict[str, int]]:
    names = [f"{i:03}.jpg" for i in range(len(counts))]
    samples = {name: sample(n, seed, **more) for seed, (name, n) in enumerate(zip(names, counts, strict=True))}
    return samples, dict(zip(names, counts, strict=True))


def test_a_fit_counts_frames_that_it_has_not_seen() -> None:
    fitted = fit(*frames())
    assert (fitted.model, fitted.columns, fitted.rows, fitted.long_side_px) == ("tiny@1", 2, 2, 320)
    assert (fitted.frames, fitted.most_persons) == (10, 40)
    for seed, persons in enumerate((5, 18, 30, 60), start=100):
        unseen = sample(persons, seed)
        counted = fitted.weigh(unseen.scores).sum()
        assert abs(counted - persons) < 0.15 * persons + 1
        assert abs(unseen.plain - persons) > abs(counted - persons)
    assert fitted.weigh(np.zeros(0, np.float32)).sum() == 0


def test_the_error_is_that_of_frames_left_out_beside_the_uncalibrated() -> None:
    samples, counts = frames()
    fitted = fit(samples, counts)
    errors = []
    for name, persons in counts.items():
        others = fit(samples, {other: n for other, n in counts.items() if other != name})
        errors.append(abs(others.weigh(samples[name].scores).sum() - persons))
    assert fitted.mae_persons == pytest.approx(np.mean(errors), abs=0.02)
    plain = np.mean([abs(samples[name].plain - persons) for name, persons in counts.items()])
    assert fitted.plain_mae_persons == pytest.approx(plain, abs=0.01)
    assert fitted.mae_persons < fitted.plain_mae_persons


def test_a_score_that_few_reach_has_no_scale() -> None:
    samples, counts = frames(share=0.45)
    faint = {name: replace(each, scores=np.minimum(each.scores, np.float32(0.42))) for name, each in samples.items()}
    assert [score for score, _ in fit(faint, counts).scales] == list(SCORES[:7])


def test_frames_that_were_not_counted_do_not_matter() -> None:
    samples, counts = frames()
    more = samples | {"099.jpg": replace(sample(3), width_px=1920)}
    assert fit(more, counts) == fit(samples, counts)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s, c: (s, dict(list(c.items())[:4])), "4 frames are counted; 5 to 1000 are needed, better 10"),
        (lambda s, c: (s, dict.fromkeys(c, 20)), "all frames show 20 to 20 persons"),
        (lambda s, c: (s, c | {"001.jpg": -3}), "001.jpg: -3 persons are no count"),
        (lambda s, c: (s, c | {"001.jpg": 10**9}), "001.jpg: 1000000000 persons are no count"),
        (
            lambda s, c: (s, c | {"picnic.jpg": 3}),
            "picnic.jpg is counted, but there is no such frame; there are 000.jpg",
        ),
        (lambda s, c: (s | {"001.jpg": replace(s["001.jpg"], width_px=1920)}, c), "001.jpg has 1920 × 480 pixels"),
        (lambda s, c: (s | {"001.jpg": replace(s["001.jpg"], model="b@2")}, c), "was seen by b@2, 000.jpg by tiny@1"),
        (lambda s, c: ({n: replace(x, scores=x.scores[:1]) for n, x in s.items()}, c), "fewer than one in 5"),
    ],
)
def test_frames_that_do_not_serve_are_refused_with_what_to_do(change: Any, sentence: str) -> None:
    samples, counts = change(*frames())
    with pytest.raises(InvalidInput, match=sentence):
        fit(samples, counts)


def test_a_fit_that_makes_nothing_better_is_refused() -> None:
    samples, counts = frames()
    right = {name: replace(each, plain=counts[name]) for name, each in samples.items()}
    with pytest.raises(InvalidInput, match="Check that each count belongs to its frame"):
        fit(right, counts)


class FakeEyes:
    """Sees a person surely, one hardly and a dog, and remembers how it was asked."""

    model = "tiny@1"

    def __init__(self) -> None:
        self.asked: list[tuple[Tiling, float]] = []

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Any:
        del bgr
        self.asked.append((tiling, min_score))
        boxes, labels = np.zeros((3, 4), np.float32), np.array([0, 0, 1], np.int32)
        detections = Detections(boxes, np.array([0.9, 0.12, 0.9], np.float32), labels, ("person", "dog"))
        return type("Sight", (), {"detections": detections})()


def test_a_sample_holds_scores_of_persons_and_no_boxes() -> None:
    eyes = FakeEyes()
    taken = take_sample(eyes, np.zeros((48, 64, 3), np.uint8), Tiling(1, 1))
    assert eyes.asked == [(Tiling(1, 1), MIN_SCORE), (FORM, SCORES[0])]
    assert taken.to_json() == {"width_px": 64, "height_px": 48, "model": "tiny@1", "scores": [0.9, 0.12], "plain": 1}
    assert sample_from_json(json.loads(json.dumps(taken.to_json()))).to_json() == taken.to_json()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"scores": "many"},
        sample(3).to_json() | {"scores": [float("inf")]},
        sample(3).to_json() | {"plain": {}},
    ],
)
def test_what_is_no_sample_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="collect the frames anew"):
        sample_from_json(data)
