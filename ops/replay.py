"""Footage judged against its truth, at several rates: what `wangge replay` and the accuracy bench do."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors import health
from detectors.catalog import RULES
from detectors.detector import Detector
from ingest.child import open_eyes
from ingest.decode import reason_to_look
from ingest.enquiries import Showing
from ingest.film import Footage
from ingest.job import Eyes
from ingest.replay import Replayed, replay
from ingest.shards import child_program
from ingest.watched import Gate, Observing
from models.camera import CameraPoint
from models.errors import InvalidInput
from models.settings import Settings
from ops.replay_score import Score, score
from ops.replay_truth import Truth, check_truth

KEYFRAMES = "keyframes"
RATES = (KEYFRAMES, "1", "0.5")
MOST_FPS = 60.0


@dataclass(frozen=True)
class Rated:
    """One replay. ``rate``: "keyframes", or pictures a second."""

    rate: str
    played: Replayed
    score: Score

    @property
    def pass_rate(self) -> float | None:
        """Share of the pictures that the gate let through to the detector."""
        return self.played.looked / self.played.pictures if self.played.pictures else None

    @property
    def speed(self) -> float:
        """Seconds of footage a second."""
        return self.played.seconds / self.played.took_s

    def to_json(self) -> dict[str, Any]:
        played = self.played
        return {
            "rate": self.rate,
            "pictures": played.pictures,
            "looked": played.looked,
            "gate_pass_rate": self.pass_rate,
            "corrupt": played.corrupt,
            "detector_errors": played.detector_errors,
            "played_s": played.seconds,
            "took_s": played.took_s,
            "cut": played.cut,
        } | self.score.to_json()


@dataclass(frozen=True)
class Result:
    """``notes``: sentences about what was not as it was asked for."""

    footage: Footage
    camera: CameraPoint
    rates: tuple[Rated, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "footage": self.footage.path.name,
            "fps": self.footage.fps,
            "length_s": self.footage.length_s,
            "notes": list(self.notes),
            "rates": [rated.to_json() for rated in self.rates],
        }


def open_pipeline(settings: Settings) -> tuple[Detector, Eyes]:
    """The detector and masking that the camera worker runs with these settings. Raises ModelRefused."""
    eyes = open_eyes(child_program(settings, {}).settings)
    return Detector(eyes.perception, eyes.tiling, eyes.crowds), eyes


def judge_footage(
    path: Path,
    truth: Truth,
    camera: CameraPoint,
    detector: Observing,
    eyes: Showing,
    rates: Sequence[str] = (),
    gate: Gate = reason_to_look,
    progress: Callable[[str, float], None] | None = None,
) -> Result:
    """Replays ``path`` at each rate; by default at those of ``RATES`` that it has. ``progress`` hears rate and share.

    Raises InvalidInput for what is no footage, for a truth that does not fit it, for a rate that it has not.
    """
    footage = Footage.open(path, truth.fps)
    check_truth(truth, camera, footage.length_s)
    notes: list[str] = []
    chosen = [rate for rate in RATES if footage.has(_every_s(rate))] if not rates else list(dict.fromkeys(rates))
    if not rates and len(chosen) < len(RATES):
        notes.append(f"the footage has {footage.fps:g} pictures a second: it is replayed at {', '.join(chosen)} only")
    watched = [*dict.fromkeys(kind for zone in camera.zones for kind in zone.kinds if kind in RULES), *health.KINDS]
    middles = [_middle_s(each.onset_s, each.end_or(footage.length_s)) for each in truth.incidents]
    done = []
    for rate in chosen:
        played = replay(
            footage, _every_s(rate), camera, truth.begins_at.timestamp(), detector, eyes, middles, gate,
            _share(rate, footage.length_s, progress),
        )  # fmt: skip
        done.append(Rated(rate, played, score(truth, watched, played)))
    notes += _notes(done, truth)
    return Result(footage, camera, tuple(done), tuple(notes))


def _every_s(rate: str) -> float | None:
    """Raises InvalidInput for what is no rate."""
    if rate == KEYFRAMES:
        return None
    try:
        fps = float(rate)
    except ValueError:
        fps = math.nan
    if not 0.001 <= fps <= MOST_FPS:
        raise InvalidInput(
            f"{rate!r} is no rate: it is keyframes, or pictures a second up to {MOST_FPS:g}, such as 0.5"
        )
    return 1 / fps


def _middle_s(onset_s: float, end_s: float) -> float:
    """When a picture shows what an incident was: not at its onset, when little is to be seen."""
    return (onset_s + end_s) / 2


def _share(rate: str, length_s: float, progress: Callable[[str, float], None] | None) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda read_s: progress(rate, min(read_s / length_s, 1.0) if length_s else 1.0)


def _notes(rates: Sequence[Rated], truth: Truth) -> Iterator[str]:
    for rated in rates:
        played = rated.played
        if not played.pictures:
            yield f"{rated.rate}: the footage holds no picture that can be read"
        if played.cut:
            after = sum(each.onset_s >= played.seconds for each in truth.incidents)
            yield f"{rated.rate}: {played.cut}; judged up to there, {after} incidents of the truth come later"
        if played.corrupt or played.detector_errors:
            yield (
                f"{rated.rate}: {played.corrupt} pictures could not be decoded, "
                f"the detector failed on {played.detector_errors}"
            )
