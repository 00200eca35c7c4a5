"""How well a map of change tells built things from everything else, cell by cell, on held-out pairs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.train_fit import CERTAIN, NO_MORE
from bench.train_pairs import CELL_PX, Pair
from bench.train_street import Pixels, Reals

Comparer = Callable[[Pixels, Pixels], Reals]
"""A reference and a look (192, 320, 3) to (24, 40), the higher the surer."""
LARGE_SHARE, STRONG_GREY = 0.015, 20.0
"""Above both, a structure is promised to be watched."""
FALSE_CELLS = 0.01
CHUNK = 32


@dataclass(frozen=True)
class Score:
    """``auc`` and ``ap`` over cells; ``recall`` of the cells at one false cell in a hundred; ``cells`` that are new."""

    auc: float
    ap: float
    recall: float
    cells: int


def absdiff(reference: Pixels, look: Pixels) -> Reals:
    """Mean grey difference of each cell, each picture brought to mean 0 and deviation 1: what is to be beaten."""
    greys = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) for picture in (reference, look))
    then, now = ((grey - grey.mean()) / (grey.std() + 1) for grey in greys)
    rows, columns = then.shape[0] // CELL_PX, then.shape[1] // CELL_PX
    difference = np.abs(now - then).reshape(rows, CELL_PX, columns, CELL_PX)
    return np.asarray(difference.mean(axis=(1, 3)), np.float32)


def score(values: Reals, new: NDArray[np.bool_]) -> Score | None:
    """None where there is nothing to tell apart."""
    positives = int(new.sum())
    if positives in (0, len(new)):
        return None
    order = np.argsort(-values, kind="stable")
    hits, misses = np.cumsum(new[order]), np.cumsum(~new[order])
    auc = float((hits * ~new[order]).sum() / (positives * (len(new) - positives)))
    ap = float((hits / np.arange(1, len(new) + 1))[new[order]].mean())
    allowed = int(np.searchsorted(misses, FALSE_CELLS * (len(new) - positives), side="right"))
    return Score(auc, ap, float(hits[max(0, allowed - 1)] / positives), positives)


def judge(found: Iterable[Pair], comparers: Mapping[str, Comparer]) -> dict[str, dict[str, Score]]:
    """By comparer and group: all; promised (large and strong alone); each kind against all that is not new; each
    nuisance within its own pairs; and how well built is told from passing, which counts nowhere else. Cells between new
    and not are left out.
    """
    values: dict[str, list[Reals]] = {name: [] for name in comparers}
    cells: list[tuple[Reals, Reals]] = []
    tags: list[tuple[str, str, bool]] = []
    for pair in found:
        for name, compare in comparers.items():
            values[name].append(compare(pair.reference, pair.look).reshape(-1))
        cells.append((pair.lasting.reshape(-1), pair.passing.reshape(-1)))
        promised = pair.share >= LARGE_SHARE and pair.contrast >= STRONG_GREY
        tags.append((pair.kind, pair.nuisance, promised))
    lasting, passing = (np.concatenate(part) for part in zip(*cells, strict=True))
    new, old = lasting > CERTAIN, lasting < NO_MORE
    owner = np.repeat(np.arange(len(tags)), len(cells[0][0]))
    still = old & (passing < NO_MORE)
    groups = {"all": new | still, "built or passing": new | (old & (passing > CERTAIN))}
    groups["promised"] = still | (new & np.array([promised for _, _, promised in tags])[owner])
    kinds, nuisances = (np.array([tag[part] for tag in tags]) for part in (0, 1))
    groups |= {f"kind {kind}": still | (new & (kinds == kind)[owner]) for kind in sorted({*kinds} - {"none"})}
    groups |= {f"in {name}": (new | still) & (nuisances == name)[owner] for name in sorted({*nuisances})}
    result: dict[str, dict[str, Score]] = {}
    for name, parts in values.items():
        every = np.concatenate(parts)
        scored = {group: score(every[chosen], new[chosen]) for group, chosen in groups.items()}
        result[name] = {group: found for group, found in scored.items() if found is not None}
    return result
