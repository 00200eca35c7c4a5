from pathlib import Path

import pytest

from ingest.footage import Footage, load, transcode
from tests.servers import draw_video


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn video: 3 s, 5 fps, 320×240, not in a codec that cameras send."""
    return draw_video(tmp_path_factory.mktemp("drawn") / "drawn.mkv")


@pytest.fixture(scope="session")
def footage(drawn: Path) -> dict[str, Footage]:
    """The drawn video as cameras send it, GOP 1 s, by codec; "hevc" comes out of Matroska."""
    h264, hevc = drawn.with_name("h264.mp4"), drawn.with_name("hevc.mkv")
    transcode(drawn, h264, "h264", fps=5, gop_s=1)
    transcode(drawn, hevc, "hevc", fps=5, gop_s=1)
    return {"h264": load(h264), "hevc": load(hevc)}
