import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from models.errors import InvalidInput
from models.settings import read_settings
from ops.demo import play
from ops.demo_trip import Watch


def test_a_report_that_could_not_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = read_settings({"WANGGE_DATA": str(data), "WANGGE_PORT": "0"})
    for file, sentence in (
        (tmp_path, "cannot be written"),
        (tmp_path / "none" / "trip.json", "its folder is not there"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            play(
                settings,
                (),
                Watch(time.monotonic()),
                trip_s=5,
                json_file=file,
                console=Console(file=io.StringIO()),
            )
    assert not data.exists()
