import numpy as np
import pytest

from detectors.density import MAX_CELLS, DensityMap
from models.errors import InvalidInput

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def test_a_zone_counts_the_cells_in_it_and_shares_of_those_on_its_edge() -> None:
    found = DensityMap(np.ones((4, 4), np.float32), (0.25, 0.25), "m@1")
    assert found.within(WHOLE) == pytest.approx(16)
    assert found.within(((0.0, 0.0), (0.375, 0.0), (0.375, 1.0), (0.0, 1.0))) == pytest.approx(6)
    assert found.within(((0.0, 0.0), (0.1, 0.0), (0.0, 0.1))) == pytest.approx(0.08, abs=0.2)


def test_a_coarser_map_counts_the_same() -> None:
    fine = DensityMap(np.random.default_rng(1).random((50, 97)).astype(np.float32), (1 / 97, 1 / 50), "m@1")
    coarse = fine.coarser()
    assert max(coarse.persons.shape) <= MAX_CELLS
    assert coarse.total == pytest.approx(fine.total, rel=1e-4)
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    assert coarse.within(half) == pytest.approx(fine.within(half), rel=0.05)
    assert coarse.coarser() is coarse


@pytest.mark.parametrize("wrong", [np.full((2, 2), np.nan), np.zeros((0, 3)), np.zeros(4)])
def test_no_numbers_are_no_map(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="finite rows and columns"):
        DensityMap(wrong.astype(np.float32), (0.5, 0.5), "m@1")
