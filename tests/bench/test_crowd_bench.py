"""What the crowd bench makes of stills: its aims must be able to fail."""

from pathlib import Path

import numpy as np
import pytest

from bench.crowd import Still, judge_mall, judge_streets, main, missed
from detectors.calibration import Sample


def still(persons: int, found: float, is_dense: bool = False) -> Still:
    """A model that finds such a share of the persons."""
    scores = np.full(round(found * persons), 0.9, np.float32)
    return Still(persons, Sample(640, 480, "tiny@1", scores, len(scores)), is_dense)


def mall(drift: float = 1.0) -> dict[str, Still]:
    """Of 100 frames the first fifth are seen by half, the others by ``drift`` times as much."""
    counts = [20 + 2 * (i % 10) for i in range(100)]
    return {str(i): still(n, 0.5 if i < 20 else 0.5 * drift) for i, n in enumerate(counts)}


STREETS = {"a": still(20, 0.9), "b": still(60, 0.3), "c": still(300, 0.1, True), "d": still(400, 0.1, True)}


def test_a_fit_to_the_first_fifth_is_judged_on_the_rest() -> None:
    report = judge_mall(mall(), draws=5, seed=1)
    assert (report["frames"], report["refused"]) == (80, 0)
    assert report["uncalibrated_mae"] == 14.5
    assert report["mae_p90"] < 0.1
    assert judge_mall(mall(drift=1.5), draws=5, seed=1)["mae_median"] > 10


def test_streets_are_judged_by_how_many_there_are_and_what_is_said_to_be_too_dense() -> None:
    bands = judge_streets(STREETS)
    assert [(band["stills"], band["too_dense"], band["mae"]) for band in bands] == [
        (1, 0, 2),
        (1, 0, 42),
        (0, 0, None),
        (2, 2, 315),
    ]


def test_what_does_not_hold_is_said() -> None:
    good = {"mall": judge_mall(mall(), 5, 1), "streets": judge_streets(STREETS)}
    assert missed(good) == []
    wrong = judge_mall({name: still(each.persons, 0.5, True) for name, each in mall().items()}, 5, 1)
    numbered = judge_streets(STREETS | {"e": still(500, 0.1)})
    said = missed({"mall": wrong | {"mae_median": 3.0}, "streets": numbered})
    assert [each.split(":")[0] for each in said] == ["mall", "mall", "streets of 100 persons or more"]


def test_data_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    assert "is not there: name the folder with mall and shanghaitech_B by --data" in capsys.readouterr().err
    (tmp_path / "mall").mkdir()
    (tmp_path / "mall" / "heads.json").write_text("[1]")
    assert main(["--data", str(tmp_path)]) == 1
    assert 'is not {"file": {"count": persons}}' in capsys.readouterr().err
