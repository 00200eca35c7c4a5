"""How well persons are counted: a mall's camera without and with calibration, and streets too dense to be counted.

Mall (Chen et al., BMVC 2012): calibrated by 10 frames drawn from the first fifth, scored on the last four fifths, which
show fewer people. ShanghaiTech B (Zhang et al., CVPR 2016): stills of 20 streets, looked at without calibration.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.boxes import Tiling
from detectors.calibration import FORM, Sample, fit, take_sample
from detectors.crowding import KIND
from detectors.detector import Detector
from detectors.headcount import CLOSER_S, State
from detectors.perception import Perception, Seen
from detectors.zoo.manifest import find_entry, read_zoo
from models.camera import CameraPoint, SourceUrl, Zone
from models.counting import Counting
from models.errors import InvalidInput, NotFound, WanggeError
from models.frame import Frame, Pixels
from models.geo import GeoPoint

FRAMES, POOL = 10, 0.2
"""Frames that a person counts, and the share of the recording that they come from."""
BANDS = (0, 48, 100, 200)
"""Of persons in a picture; the last has no end."""
MOST_MAE, MOST_P90_MAE = 2.5, 2.5
DENSE_FROM, SPARSE_TO, MOST_FALSE = 100, 48, 0.03
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
CAMERA = CameraPoint(
    "bench",
    "bench",
    "bench",
    GeoPoint(109.03, 32.68),
    SourceUrl.parse("rtsp://camera.test/1"),
    "bench",
    None,
    zones=(Zone("all", "All", WHOLE, (KIND,)),),
)


@dataclass
class TimedEyes:
    """Perception that notes how long each form of look takes, and does not look twice at one picture in one way."""

    perception: Perception
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[tuple[int, Tiling, float], Seen] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return self.perception.model

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Seen:
        key = (id(bgr), tiling, min_score)
        if key not in self._seen:
            began_s = time.perf_counter()
            self._seen[key] = self.perception.look(bgr, tiling, min_score)
            named = f"{tiling.columns}x{tiling.rows} at {tiling.long_side_px or 416}"
            self.took_ms[named].append((time.perf_counter() - began_s) * 1e3)
        return self._seen[key]

    def forget(self) -> None:
        self._seen.clear()


@dataclass(frozen=True)
class Still:
    """A picture with so many ``persons``, what was seen in it, and whether the rule calls it too dense to count."""

    persons: int
    sample: Sample
    is_dense: bool


def read_stills(pictures: Path, heads: Path, eyes: TimedEyes) -> dict[str, Still]:
    """In the order of the heads file. Raises NotFound, InvalidInput."""
    try:
        told = json.loads(heads.read_text())
        counts = {str(name): int(of["count"]) for name, of in told.items()}
    except OSError:
        raise NotFound(f"{heads} is not there: name the folder with mall and shanghaitech_B by --data") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(f'{heads} is not {{"file": {{"count": persons}}}}') from None
    stills = {}
    for name, persons in counts.items():
        bgr = cv2.imread(str(pictures / name))
        if bgr is None:
            raise NotFound(f"{pictures / name} is no picture that can be read")
        pixels = np.asarray(bgr, np.uint8)
        stills[name] = Still(persons, take_sample(eyes, pixels, Tiling()), _is_dense(eyes, pixels))
        eyes.forget()
    return stills


def _is_dense(eyes: TimedEyes, bgr: Pixels) -> bool:
    """As the running pipeline says after two closer looks at a scene that lasts."""
    detector, state = Detector(eyes), dict[str, Any]()
    for at_s in (0.0, CLOSER_S):
        state = detector.observe(CAMERA, Frame("bench", at_s, bgr), state).state
    return State.from_json(state["rules"][f"{KIND}/all"]).is_dense(CLOSER_S)


def judge_mall(stills: Mapping[str, Still], draws: int, seed: int) -> dict[str, Any]:
    names = list(stills)
    pool, rest = names[: int(POOL * len(names))], names[int(POOL * len(names)) :]
    persons = np.array([stills[name].persons for name in rest])
    plain = np.array([stills[name].sample.plain for name in rest])
    samples = {name: still.sample for name, still in stills.items()}
    random = np.random.default_rng(seed)
    errors, left_out, refused = [], [], 0
    for _ in range(draws):
        drawn = [str(name) for name in random.choice(pool, FRAMES, replace=False)]
        try:
            fitted = fit(samples, {name: stills[name].persons for name in drawn})
        except InvalidInput:
            refused += 1
            continue
        counted = np.array([_count(fitted, samples[name]) for name in rest])
        errors.append(float(np.abs(counted - persons).mean()))
        left_out.append(fitted.mae_persons)
    sparse = [still for still in stills.values() if still.persons < SPARSE_TO]
    return {
        "frames": len(rest),
        "mean_persons": float(persons.mean()),
        "uncalibrated_mae": float(np.abs(plain - persons).mean()),
        "draws": draws,
        "refused": refused,
        "mae_median": float(np.median(errors)) if errors else None,
        "mae_p90": float(np.percentile(errors, 90)) if errors else None,
        "left_out_mae_median": float(np.median(left_out)) if left_out else None,
        "called_too_dense": sum(still.is_dense for still in sparse) / len(sparse),
    }


def _count(fitted: Counting, sample: Sample) -> float:
    return float(fitted.weigh(sample.scores).sum())


def judge_streets(stills: Mapping[str, Still]) -> list[dict[str, Any]]:
    """By how many persons there are."""
    found = []
    for low, high in zip(BANDS, (*BANDS[1:], None), strict=True):
        band = [still for still in stills.values() if still.persons >= low and (high is None or still.persons < high)]
        counted = [still for still in band if not still.is_dense]
        found.append(
            {
                "from": low,
                "below": high,
                "stills": len(band),
                "mean_persons": _mean([still.persons for still in band]),
                "mean_counted": _mean([still.sample.plain for still in band]),
                "mae": _mean([abs(still.sample.plain - still.persons) for still in band]),
                "too_dense": len(band) - len(counted),
                "mae_of_counted": _mean([abs(still.sample.plain - still.persons) for still in counted]),
            }
        )
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 1) if values else None


def missed(report: Mapping[str, Any]) -> list[str]:
    """What does not hold, in words."""
    mall, said = report["mall"], []
    if mall["mae_median"] is None or mall["mae_median"] > MOST_MAE or mall["mae_p90"] > MOST_P90_MAE:
        said.append(f"mall: calibrated MAE {mall['mae_median']} / {mall['mae_p90']}, aim {MOST_MAE} / {MOST_P90_MAE}")
    if mall["called_too_dense"] > MOST_FALSE:
        said.append(f"mall: {mall['called_too_dense']:.0%} of frames are called too dense, {MOST_FALSE:.0%} may be")
    numbered = [band["stills"] - band["too_dense"] for band in report["streets"] if band["from"] >= DENSE_FROM]
    if any(numbered):
        said.append(f"streets of {DENSE_FROM} persons or more: {sum(numbered)} get a number")
    return said


def measure(data: Path, draws: int, seed: int) -> dict[str, Any]:
    eyes = TimedEyes(Perception.load(find_entry(read_zoo(), "nanodet-g-416")))
    mall = read_stills(data / "mall" / "frames", data / "mall" / "heads.json", eyes)
    of_mall = {name: round(float(np.median(ms)), 1) for name, ms in eyes.took_ms.items()}
    streets = read_stills(data / "shanghaitech_B" / "images", data / "shanghaitech_B" / "heads.json", eyes)
    return {
        "model": eyes.model,
        "calibrated_form": f"{FORM.columns}x{FORM.rows} at {FORM.long_side_px}",
        "mall": judge_mall(mall, draws, seed),
        "streets": judge_streets(streets),
        "median_ms": of_mall,
    }


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 unless the figures hold")
    asked = parser.parse_args(words)
    cv2.setNumThreads(1)
    try:
        report = measure(asked.data, asked.draws, asked.seed)
    except WanggeError as error:
        print(error, file=sys.stderr)
        return 1
    said = missed(report)
    if asked.json:
        print(json.dumps(report | {"missed": said}, indent=1))
    else:
        _print(report, said)
    return int(asked.check and bool(said))


def _print(report: Mapping[str, Any], said: Sequence[str]) -> None:
    for key, value in report["mall"].items():
        print(f"mall {key:<22} {round(value, 2) if isinstance(value, float) else value}")
    for band in report["streets"]:
        print("streets " + "  ".join(f"{key} {value}" for key, value in band.items()))
    print("median ms a picture: " + ", ".join(f"{name} {ms:g}" for name, ms in report["median_ms"].items()))
    print(*said, sep="\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
