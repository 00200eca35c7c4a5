"""What an auditor is given over HTTP: erasure, a case on paper, a month as a spreadsheet."""

import io
import time

import openpyxl
from world import JPEG, MASKED, NORTH, SOUTH, World


def test_an_erased_picture_is_gone_and_said_to_be(world: World) -> None:
    world.desk.answers["mask"] = ({"ok": True}, MASKED + b" of this test alone")
    alert_id = world.raise_alert()
    with world.client("grid_worker") as worker, world.client("auditor") as auditor:
        added = worker.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG)}).json()["evidence"]
        first = worker.get(added["href"])
        assert (first.status_code, added["erased"]) == (200, False)
        again = worker.get(added["href"], headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        erase = f"/v1/alerts/{alert_id}/evidence/{added['sha256']}/erase"
        assert auditor.post(erase, json={"reason": " "}).status_code == 422
        assert auditor.post(erase, json={}).status_code == 422
        for _ in range(2):  # the second changes nothing
            done = auditor.post(erase, json={"reason": "request 17"})
            assert done.status_code == 200
        assert [item["erased"] for item in done.json()["properties"]["evidence"]] == [True]
        gone = worker.get(added["href"], headers={"If-None-Match": first.headers["etag"], "Accept-Language": "zh"})
        assert (gone.status_code, gone.json()["code"], gone.json()["title"]) == (410, "erased", "内容已依规删除")
        assert gone.headers["content-type"] == "application/problem+json"
        log = auditor.get(f"/v1/alerts/{alert_id}/log").json()["events"]
        assert [(event["type"], event["reason"]) for event in log if event["type"] == "erased"] == [
            ("erased", "request 17")
        ]
        refused = worker.post(f"/v1/alerts/{alert_id}/evidence", files={"photo": ("p.jpg", JPEG)})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert not list(world.services.settings.evidence.rglob(added["sha256"]))


def test_a_case_on_paper(world: World) -> None:
    alert_id = world.raise_alert()
    world.seal()
    with world.client("auditor") as auditor:
        path = f"/v1/alerts/{alert_id}/sheet"
        zh = auditor.get(path, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
        assert (zh.status_code, zh.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'self'" in zh.headers["content-security-policy"]
        assert "<h1>事件处置单</h1>" in zh.text
        assert "Asia/Shanghai" in zh.text
        en = auditor.get(f"{path}?lang=en", headers={"Accept-Language": "zh"})
        assert (en.headers["content-language"], "<h1>Case sheet</h1>" in en.text) == ("en", True)
        assert auditor.get(f"{path}?lang=fr").status_code == 422
        style = auditor.get("/console/sheet.css")
        assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert "size: A4" in style.text
    with world.client("south_worker") as outside:
        assert outside.get(path).status_code == 404


def test_a_month_s_ledger_as_a_spreadsheet(world: World) -> None:
    alert_id = world.raise_alert()
    month = time.strftime("%Y-%m", time.gmtime(time.time() + 8 * 3600))
    with world.client("supervisor") as supervisor:
        path = "/v1/reports/ledger.xlsx"
        answer = supervisor.get(path, params={"month": month, "grid": NORTH, "lang": "en"})
        assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
        assert answer.headers["content-disposition"] == f'attachment; filename="wangge-ledger-{month}.xlsx"'
        assert int(answer.headers["content-length"]) == len(answer.content)
        rows = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows(values_only=True)
        assert alert_id in [row[0] for row in rows]
        for wrong in ("2026-13", "1999-01", "2026-1", "=1", ""):
            assert supervisor.get(path, params={"month": wrong}).status_code == 422
        assert supervisor.get(path, params={"month": month, "grid": SOUTH}).status_code == 404
    with world.client("operator") as operator:
        assert operator.get(path, params={"month": month}).status_code == 403
