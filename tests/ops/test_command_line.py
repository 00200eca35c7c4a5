"""The command line as people and programs meet it: sentences, never a traceback; --json; secrets kept out."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import wangge
from models.settings import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
GRIDS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"code": "1", "name": "市", "parent": None},
            "geometry": {"type": "Polygon", "coordinates": [[[109, 32], [110, 32], [110, 33], [109, 33], [109, 32]]]},
        }
    ],
}


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, on a data directory of its own."""
    monkeypatch.setenv("WANGGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WANGGE_PORT", "0")

    def run(*words: str | Path, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["wangge", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        before = os.umask(0o022)  # main sets its own, which is not to be the other tests' as well
        try:
            status = wangge.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        finally:
            os.umask(before)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run


@pytest.fixture
def town(run: Run, tmp_path: Path) -> Run:
    """The same, with a schema and a grid."""
    (tmp_path / "grids.geojson").write_text(json.dumps(GRIDS))
    assert run("db", "upgrade").status == 0
    assert run("grid", "import", tmp_path / "grids.geojson").status == 0
    return run


ADD = ("camera", "add", "gate-1", "--name", "东门", "--lon", "109.5", "--lat", "32.5", "--purpose", "public safety")


def test_help_is_quick_and_every_command_has_an_example(run: Run) -> None:
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-m", "wangge", "--help"], cwd=ROOT, check=True, capture_output=True)
    assert time.monotonic() - began_s < 2  # 0.15 s alone on a machine; the tests share theirs
    for command in (
        *("up", "demo", "footage", "backup", "restore", "db upgrade", "camera add", "camera list", "camera probe"),
        *("grid import", "user add", "doctor", "doctor audit"),
    ):
        said = run(*command.split(), "--help")
        assert "Example" in said.out, command
        assert any("一" <= character <= "鿿" for character in said.out), command


def test_help_loads_no_heavy_library() -> None:
    program = (
        "import sys, wangge; print([m for m in ('numpy', 'sqlalchemy', 'cv2', 'redis', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_an_error_is_a_sentence_and_for_programs_a_document(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("camera", "list")
    assert (said.status, said.out) == (1, "")
    assert "wangge db upgrade" in said.err
    assert "Traceback" not in said.err
    said = run("camera", "list", "--json")
    assert said.status == 1
    assert json.loads(said.out)["error"] == "misconfigured"
    monkeypatch.setenv("WANGGE_COLOUR", "red")
    said = run("camera", "list")
    assert said.status == 1
    assert "WANGGE_COLOUR" in said.err


def test_a_camera_is_registered_and_its_password_never_shown(town: Run, tmp_path: Path) -> None:
    zones = tmp_path / "zones.json"
    polygon = [[0, 0], [1, 0], [1, 1]]
    zones.write_text(json.dumps({"zones": [{"id": "z", "name": "口", "polygon": polygon, "kinds": ["crowding"]}]}))
    said = town(*ADD, "--url", "rtsp://10.1.2.3/main", "--login", "viewer", "--zones", zones, typed="hidden word\n")
    assert said.status == 0, said.err
    listed = town("camera", "list", "--json")
    (camera,) = json.loads(listed.out)
    assert (camera["code"], camera["grid"], camera["url"], camera["zones"]) == (
        "gate-1", "1", "rtsp://10.1.2.3:554/main", 1
    )  # fmt: skip
    table = town("camera", "list")
    for text in (said, listed, table):
        assert "hidden" not in text.out + text.err
    assert b"hidden word" not in (tmp_path / "data" / "wangge.db").read_bytes()
    assert town("doctor", "--json").status == 0


@pytest.mark.parametrize("words", [("camera", "probe"), (*ADD, "--url")], ids=["probe", "add"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(town: Run, words: tuple[str, ...]) -> None:
    said = town(*words, "rtsp://viewer:hidden-word@10.1.2.3/main")
    assert said.status == 1
    assert "--login" in said.err
    assert "hidden-word" not in said.out + said.err


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (["--url", "http://10.1.2.3/"], "rtsp://"),
        (["--url", "rtsp://10.1.2.3/", "--lon", "999"], "longitude"),
        (["--url", "rtsp://10.1.2.3/", "--lon", "10"], "outside every grid"),
        (["--url", "rtsp://10.1.2.3/", "--zones", "/nowhere"], "cannot be read"),
        (["--url", "rtsp://10.1.2.3/", "--zones", "/dev/zero"], "larger than"),
        (["--url", "rtsp://10.1.2.3/", "--zones", str(ROOT / "pyproject.toml")], "is not as in"),
        (["--url", "rtsp://10.1.2.3/", "--name", "\u202e"], "the name"),
        (["--url", "rtsp://10.1.2.3/", "--grid", "none"], "no such thing"),
    ],
)
def test_a_camera_entered_wrong_is_refused_with_why(town: Run, changed: list[str], word: str) -> None:
    said = town(*ADD, *changed)
    assert said.status == 1
    assert word in said.err
    assert json.loads(town("camera", "list", "--json").out) == []


def test_a_probe_says_its_own_sentence(run: Run) -> None:
    said = run("camera", "probe", "rtsp://127.0.0.1:9/main", "--login", "viewer", "--json", typed="hidden-word\n")
    assert said.status == 1
    assert json.loads(said.out)["error"] == "camera_address_not_allowed"
    assert "hidden-word" not in said.out + said.err


def test_a_grid_file_is_refused_whole_with_each_fault(town: Run, tmp_path: Path) -> None:
    bad = json.loads(json.dumps(GRIDS))
    bad["features"] += [
        {"type": "Feature", "properties": {"code": "2", "name": "区", "parent": "9"}, "geometry": None},
        {"type": "Feature", "properties": {"code": "3", "name": "区", "parent": "1"}, "geometry": None},
        {"type": "Feature", "properties": {"code": "3", "name": "区", "parent": "1"}, "geometry": None},
    ]
    (tmp_path / "bad.geojson").write_text(json.dumps(bad))
    said = town("grid", "import", tmp_path / "bad.geojson")
    assert said.status == 1
    assert said.err.count("row ") >= 2
    document = json.loads(town("grid", "import", tmp_path / "bad.geojson", "--json").out)
    assert len(document["faults"]) >= 2
    assert town("grid", "import", tmp_path / "absent").status == 1


def test_a_person_gets_a_one_time_password_and_a_role_that_exists(town: Run) -> None:
    said = town("user", "add", "wang", "--name", "王芳", "--role", "grid_worker@1", "--role", "operator@1", "--json")
    assert len(json.loads(said.out)["one_time_password"]) > 16
    for role in ("king@1", "operator", "operator@", "@1"):
        said = town("user", "add", "li", "--name", "李", "--role", role)
        assert said.status == 1
        assert "grid_worker" in said.err
    assert town("user", "add", "wang", "--name", "again", "--role", "operator@1").status == 1


def test_backup_and_restore(town: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert town("backup", tmp_path / "saved.tar.gz").status == 0
    assert "not empty" in town("restore", tmp_path / "saved.tar.gz").err
    monkeypatch.setenv("WANGGE_DATA", str(tmp_path / "new"))
    assert town("restore", tmp_path / "saved.tar.gz").status == 0
    assert town("camera", "list").status == 0


def test_the_doctor_prints_settings_findings_and_the_audit(town: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row["name"] for row in json.loads(town("doctor", "--settings", "--json").out)] == [
        v.name for v in VARIABLES
    ]
    assert "WANGGE_PORT" in town("doctor", "--settings").out
    assert town("doctor", "audit").status == 0
    assert town("doctor").status == 0
    monkeypatch.setenv("WANGGE_DETECTOR", "none")
    said = town("doctor")
    assert said.status == 1
    assert "→" in said.out


def test_what_is_written_is_its_owners_alone_also_where_others_may_look(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    assert run("db", "upgrade").status == 0
    assert (tmp_path / "data" / "wangge.db").stat().st_mode & 0o077 == 0
