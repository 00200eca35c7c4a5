import io

from rich.console import Console

from ops.demo_board import View, facts, look, tables
from ops.demo_client import Client
from ops.supervisor import Process, Stage

API = Process("api", Stage.RUNNING, 41, 0, 0.0, None)
CAMERA = {
    "id": "01C",
    "properties": {
        "code": "demo-plaza-1",
        "name": "汉江广场",
        "status": {
            "state": "failed",
            "since_at": "2026-11-22T08:00:00Z",
            "error": "nothing listens on rtsp://127.0.0.1:8554/plaza",
            "keyframes": 12,
            "is_new": True,
        },
    },
}
ALERT = {
    "id": "01A",
    "properties": {
        "kind": "crowding",
        "kind_name": {"zh": "人群聚集", "en": "Crowding"},
        "state": "new",
        "grid_code": "g1",
        "detected_reason": "4 persons on 264 m² [x]",
    },
}


def shown(view: View) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(tables(view))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_names_cameras_their_faults_and_the_newest_alerts() -> None:
    text = shown(View((API,), (CAMERA,), (ALERT,)))
    for word in (
        "api",
        "running",
        "汉江广场",
        "nothing listens on",
        "keyframes 12",
        "01A",
        "人群聚集 Crowding",
        "264 m² [x]",
    ):
        assert word in text
    assert "is_new" not in text


def test_a_line_says_each_thing_once_and_changes_only_with_it() -> None:
    view = View((API,), (CAMERA,), (ALERT,))
    assert facts(view) == facts(View((API,), (CAMERA,), (ALERT,)))
    assert "camera demo-plaza-1: failed (nothing listens on rtsp://127.0.0.1:8554/plaza)" in facts(view)
    closed = {**ALERT, "properties": {**ALERT["properties"], "state": "closed"}}  # type: ignore[dict-item]
    assert set(facts(View((API,), (CAMERA,), (closed,)))) ^ set(facts(view)) == {
        "alert 01A crowding: new – 4 persons on 264 m² [x]",
        "alert 01A crowding: closed – 4 persons on 264 m² [x]",
    }


def test_an_api_that_is_away_is_shown_as_such() -> None:
    with Client("http://127.0.0.1:9", "operator", "x", patience_s=0.0) as api:
        view = look(api, (API,))
    assert view.fault is not None
    assert "had no answer" in view.fault
    assert "had no answer" in shown(view)
