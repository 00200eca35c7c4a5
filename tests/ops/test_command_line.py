"""The command line as people and programs meet it: sentences, never a traceback; --json; secrets kept out."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import wangge
from alerts.zone_templates import TemplateAsked, put
from ingest.desk import Desk
from models.camera import Shared
from models.people import SYSTEM
from models.presets import Preset
from models.settings import VARIABLES, read_settings
from models.vision import Vision
from ops.registry_commands import ledger_of, registry_of

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
        "camera templates",
        *("grid import", "user add", "user change", "intake-source add", "doctor", "doctor audit", "doctor figures"),
        *("duty add", "duty list", "duty import", "duty leave", "calibrate"),
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


def test_a_source_is_registered_and_its_token_told_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "grids.json").write_text(json.dumps(GRIDS))
    run("db", "upgrade")
    run("grid", "import", tmp_path / "grids.json")
    add = ("intake-source", "add", "随手拍", "--grid", "1", "--reports", "dumping")
    made = json.loads(run(*add, "--kind", "resident", "--json").out)
    assert made["token"].startswith("wgi_")
    listed = run("intake-source", "list", "--json").out
    assert [source["id"] for source in json.loads(listed)] == [made["id"]]
    assert made["token"] not in listed
    for wrong in (("--kind", "spy"), ("--kind", "sensor", "--lon", "109.5"), ("--kind", "other", "--rate", "0")):
        said = run(*add, *wrong)
        assert (said.status, said.out) == (1, "")
        assert "Traceback" not in said.err


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
    done = town("backup", tmp_path / "saved.tar.gz")
    assert done.status == 0
    assert "offline" not in done.out
    assert town("tls", "init").status == 0
    assert "tls: keep the authority and its key apart" in town("backup", tmp_path / "saved.tar.gz").out
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
    assert town("doctor", "figures").status == 0
    assert "recount" in town("doctor", "figures", "--rebuild", "--json").out
    assert town("doctor").status == 0
    monkeypatch.setenv("WANGGE_DETECTOR", "none")
    said = town("doctor")
    assert said.status == 1
    assert "→" in said.out


def test_what_is_written_is_its_owners_alone_also_where_others_may_look(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    assert run("db", "upgrade").status == 0
    assert (tmp_path / "data" / "wangge.db").stat().st_mode & 0o077 == 0


def test_a_dry_run_tells_what_is_wrong_and_odd_and_writes_nothing(town: Run, tmp_path: Path) -> None:
    border = "POLYGON((109 32, 109.5 32, 109.5 33, 109 33, 109 32))"
    table = tmp_path / "网格.csv"
    table.write_text(f'编码,名称,上级编码,边界,备注\n11,区,1,"{border}",x\n12,乡,1,"{border}",y\n', encoding="gbk")
    said = town("grid", "import", table, "--system", "wgs84", "--dry-run", "--json")
    assert said.status == 0, said.err
    told = json.loads(said.out)
    assert (told["encoding"], told["counts"], told["ignored_columns"]) == (
        "gb18030",
        {"overlap": 1, "gap": 1},
        ["备注"],
    )
    assert told["findings"][0]["area_m2"] > 5e9
    assert "重叠" in town("grid", "import", table, "--system", "wgs84", "--dry-run").out
    assert "names the coordinate system" in town("grid", "import", table).err
    table.write_text("编码,名称,上级编码\n6.10902E+19,区,1\n")
    said = town("grid", "import", table, "--dry-run")
    assert said.status == 1
    assert "row 2: code 6.10902E+19 was turned into a number by a spreadsheet" in said.out


def test_a_rota_from_the_command_line(town: Run, tmp_path: Path) -> None:
    for username, name in (("wang", "王芳"), ("li", "李明")):
        assert town("user", "add", username, "--name", name, "--role", "grid_worker@1").status == 0
    assert town("user", "change", "wang", "--skill", "electrician").status == 0
    assert town("duty", "add", "wang", "1", "--starts", "2026-11-22T08:00", "--ends", "2026-11-22T20:00").status == 0
    at = ("--at", "2026-11-22T09:00+08:00", "--json")
    assert [(row["person"], row["said"]) for row in json.loads(town("duty", "list", "1", *at).out)] == [
        ("王芳", "在岗 on duty"),
        ("李明", "李明不在班 / 李明 off shift"),
    ]
    leave = ("--starts", "2026-11-22", "--ends", "2026-11-23", "--reason", "年假", "--stand-in", "li")
    assert town("duty", "leave", "wang", *leave).status == 0
    assert [row["said"] for row in json.loads(town("duty", "list", "1", *at).out)] == [
        "在岗 on duty (代班 stands in)",
        "王芳请假 / 王芳 absent",
    ]
    rota = tmp_path / "排班.csv"
    rota.write_text("登录名,网格编码,开始,结束,顺序\nli,1,2026-12-1 8:00,2026-12-1 20:00,备岗\n", encoding="gbk")
    assert json.loads(town("duty", "import", rota, "--dry-run", "--json").out)["new"] == 1
    assert json.loads(town("duty", "import", rota, "--json").out)["new"] == 1
    assert json.loads(town("duty", "import", rota, "--json").out)["new"] == 0
    rota.write_text("登录名,网格编码,开始,结束\nnobody,1,2026-12-01,2026-12-02\nli,1,2026-12-02,2026-12-01\n")
    said = town("duty", "import", rota)
    assert said.status == 1
    assert "row 2: no person nobody" in said.err
    assert "row 3: a duty ends after it starts" in said.err
    assert town("user", "change", "li", "--inactive").status == 0
    assert [row["said"] for row in json.loads(town("duty", "list", "1", *at).out)] == ["王芳请假 / 王芳 absent"]


def test_why_and_what_if_are_asked_of_the_running_worker(town: Run, tmp_path: Path) -> None:
    assert town(*ADD, "--url", "rtsp://10.1.2.3/").status == 0
    said = {"crowding/z": [{"from_s": 1.7e9, "until_s": 1.7e9 + 8, "times": 5, "text": "广场: 3 persons, below 12"}]}
    begin = {"onset_s": 1.7e9, "kind": "crowding", "reason": "13 persons"}
    raised = [{"begin": begin, "worst": begin, "ended_s": None}]
    asked: list[Mapping[str, Any]] = []

    def explained(fields: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        asked.append(fields)
        return {"ok": True, "said": said}, data

    def rehearsed(fields: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        asked.append(fields)
        told = {"from_s": 1.7e9, "until_s": 1.7e9 + 60, "looks": 30, "raised": raised, "said": said}
        return {"ok": True} | told, data

    zone = {"id": "z", "name": "广场", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]}
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps({"zones": [zone]}))
    assert "does not answer" in town("camera", "explain", "gate-1").err
    with Desk(read_settings(os.environ).video_desk, {"explain": explained, "rehearse": rehearsed}):
        why = town("camera", "explain", "gate-1", "--minutes", "5")
        tried = town("camera", "dry-run", "gate-1", "--zones", draft)
        as_json = json.loads(town("camera", "dry-run", "gate-1", "--zones", draft, "--json").out)
        nobody = town("camera", "explain", "cam-2")
        draft.write_text(json.dumps({"zones": [zone | {"kinds": ["geohazard"]}]}))
        wrong = town("camera", "dry-run", "gate-1", "--zones", draft)
    assert "crowding/z" in why.out
    assert "×5  广场: 3 persons, below 12" in why.out
    assert "30 次查看 looks, 1 起告警 alerts" in tried.out
    assert as_json["z"]["raised"] == raised
    assert asked[1]["zone"]["name"] == "广场"
    assert (nobody.status, "wangge camera list" in nobody.err) == (1, True)
    assert (wrong.status, "no zone looks for it" in wrong.err) == (1, True)


def test_zone_templates_are_listed_and_tried(town: Run, tmp_path: Path) -> None:
    assert town(*ADD, "--url", "rtsp://10.1.2.3/").status == 0
    assert "PUT /v1/zone-templates/CODE" in town("camera", "templates").out
    with ledger_of(read_settings(os.environ)) as engine:
        put(
            engine,
            SYSTEM,
            "evening",
            TemplateAsked("广场夜间", "1", Shared({"crowding": {"enter_persons": 9.0}})),
            1.8e9,
        )
    (listed,) = json.loads(town("camera", "templates", "--json").out)
    assert (listed["code"], listed["levels"]) == ("evening", {"crowding": {"enter_persons": 9.0}})
    asked: list[Mapping[str, Any]] = []

    def rehearsed(fields: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        asked.append(fields)
        return {"ok": True, "from_s": None, "until_s": None, "looks": 0, "raised": [], "said": {}}, data

    zone = {"id": "z", "name": "z", "polygon": [[0, 0], [1, 0], [1, 1]], "kinds": ["crowding"]}
    draft = tmp_path / "draft.json"
    with Desk(read_settings(os.environ).video_desk, {"rehearse": rehearsed}):
        for template in ("evening", "nowhere", ["evening"]):
            draft.write_text(json.dumps({"zones": [zone | {"template": template}]}))
            said = town("camera", "dry-run", "gate-1", "--zones", draft)
            assert (said.status, "Traceback" in said.err) == (0 if template == "evening" else 1, False)
    assert [each["zone"]["shared"]["levels"] for each in asked] == [listed["levels"]]


def test_verdicts_are_listed_and_there_may_be_none(town: Run) -> None:
    assert town(*ADD, "--url", "rtsp://10.1.2.3/").status == 0
    assert "no camera's alert has been judged yet" in town("camera", "verdicts", "--camera", "gate-1").out
    assert json.loads(town("camera", "verdicts", "--json").out) == []


def test_a_scene_is_accepted_and_permits_are_given_listed_and_withdrawn(town: Run, tmp_path: Path) -> None:
    zones = tmp_path / "zones.json"
    square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    zone = {"id": "yard", "name": "院子", "polygon": square, "kinds": ["illegal_structure"]}
    zones.write_text(json.dumps({"zones": [zone]}))
    assert town(*ADD, "--url", "rtsp://10.1.2.3/", "--zones", zones).status == 0
    assert "not accepted yet" in town("camera", "permits", "gate-1").out
    assert "accepted as it is now" in town("camera", "accept-scene", "gate-1").out
    permit = ("camera", "permit", "gate-1", "2026-117", "--from", "2026-03-01", "--until", "2026-06-01", "--zone")
    assert "holds for yard" in town(*permit, "yard").out
    for zone_id in ("yard", "nowhere"):
        said = town(*permit, zone_id)
        assert (said.status, "Traceback" in said.err) == (1, False)
    listed = json.loads(town("camera", "permits", "gate-1", "--json").out)
    assert [each["reference"] for each in listed["permits"]] == ["2026-117"]
    assert listed["accepted_s"] > 1_700_000_000
    assert town("camera", "withdraw-permit", "gate-1", "2026-117", "--zone", "yard").status == 0
    assert "no permits" in town("camera", "permits", "gate-1").out
    assert town("camera", "withdraw-permit", "gate-1", "2026-117", "--zone", "yard").status == 1


def test_a_view_is_confirmed(town: Run) -> None:
    assert town(*ADD, "--url", "rtsp://10.1.2.3/").status == 0
    assert "confirmed" in town("camera", "confirm-view", "gate-1").out
    with registry_of(read_settings(os.environ)) as registry:
        camera = registry.camera_named("gate-1", SYSTEM)
        assert camera.vision.view == 1
        presets = Vision(ptz=True, presets=(Preset("east", "东"),))
        registry.change_camera(SYSTEM, camera.id, {"vision": presets}, camera.version)
    assert "confirmed" in town("camera", "confirm-view", "gate-1", "--preset", "east").out
    unknown = town("camera", "confirm-view", "gate-1", "--preset", "west")
    assert (unknown.status, "it has: east" in unknown.err) == (1, True)
    with registry_of(read_settings(os.environ)) as registry:
        (preset,) = registry.camera_named("gate-1", SYSTEM).vision.presets
        assert preset.confirmed_s is not None
