"""Erasure: the bytes go, the log stays whole, and nobody is shown what was erased."""

from dataclasses import replace
from pathlib import Path

import pytest
from desk_scene import ACTORS, NOW, PHOTO, do, handled, incident, later, photo, raised
from sqlalchemy import Engine

from alerts.anchor import Anchor
from alerts.audit import audit
from alerts.desk import Desk
from alerts.erasure import sweep
from alerts.evidence import EvidenceStore
from alerts.projection import alert_from_json, alert_to_json, replay
from alerts.sealer import seal
from alerts.sight import evidence_in_sight
from models.alert import EventType
from models.errors import Erased, Forbidden, InvalidInput, NotFound, Unavailable
from models.incident import Evidence, Phase

pytestmark = pytest.mark.both_databases

WHY = "a passer-by can be recognised"


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


def a_photo(store: EvidenceStore, data: bytes = b"someone") -> Evidence:
    return photo(store.put(data))


def test_the_bytes_go_and_the_log_stays_whole(desk: Desk, town: Engine, store: EvidenceStore, tmp_path: Path) -> None:
    alert = raised(desk)
    item = a_photo(store)
    desk.add_evidence(alert.id, ACTORS["w1"], item, NOW + 10)
    seal(town, "a", NOW + 10)
    anchor = Anchor(town, [tmp_path / "anchors.log"])
    anchor.note(NOW + 10)
    after = desk.erase_picture(alert.id, ACTORS["aud"], item.sha256, f" {WHY} ", NOW + 20)
    assert sweep(town, store, item.sha256) == 1
    with pytest.raises(NotFound):
        store.get(item.sha256)
    with pytest.raises(Erased, match=alert.id):
        evidence_in_sight(town, item.sha256, ACTORS["op"])
    with pytest.raises(NotFound):  # outside, it never was
        evidence_in_sight(town, item.sha256, ACTORS["w3"])
    log = desk.log(alert.id, ACTORS["aud"])
    said = log[-1]
    assert (said.type, said.actor_id, said.role, said.reason) == (EventType.ERASED, "aud", "auditor", WHY)
    assert said.data == {"what": "picture", "sha256": item.sha256}
    assert replay(log) == after == desk.alert(alert.id, ACTORS["op"]) == alert_from_json(alert_to_json(after))
    assert after.erased == (item.sha256,)
    seal(town, "a", NOW + 20)
    assert audit(town, [tmp_path / "anchors.log"], "this").fault is None


def test_what_another_alert_holds_stays_until_it_is_erased_there_too(
    desk: Desk, town: Engine, store: EvidenceStore
) -> None:
    item = a_photo(store)
    first, second = raised(desk), raised(desk, 2, zone_id="y")
    for alert in (first, second):
        desk.add_evidence(alert.id, ACTORS["w1"], item, NOW + 10)
    desk.erase_picture(first.id, ACTORS["admin"], item.sha256, WHY, NOW + 20)
    assert sweep(town, store) == 0
    assert evidence_in_sight(town, item.sha256, ACTORS["op"]).sha256 == item.sha256
    assert store.get(item.sha256) == b"someone"
    desk.erase_picture(second.id, ACTORS["admin"], item.sha256, WHY, NOW + 30)
    assert sweep(town, store) == 1
    with pytest.raises(Erased):
        evidence_in_sight(town, item.sha256, ACTORS["op"])


def test_what_a_kill_left_is_swept_and_a_second_time_changes_nothing(
    desk: Desk, town: Engine, store: EvidenceStore
) -> None:
    alert, item = raised(desk), a_photo(store)
    desk.add_evidence(alert.id, ACTORS["w1"], item, NOW + 10)
    first = desk.erase_picture(alert.id, ACTORS["admin"], item.sha256, WHY, NOW + 20)  # then killed
    assert store.get(item.sha256)
    assert desk.erase_picture(alert.id, ACTORS["admin"], item.sha256, "again", NOW + 30) == first
    assert [sweep(town, store), sweep(town, store)] == [1, 0]


def test_who_may_and_what_is_refused(desk: Desk, store: EvidenceStore) -> None:
    alert, item = raised(desk), a_photo(store)
    desk.add_evidence(alert.id, ACTORS["w1"], item, NOW + 10)
    for name in ("op", "w1", "sup", "ver"):
        with pytest.raises(Forbidden):
            desk.erase_picture(alert.id, ACTORS[name], item.sha256, WHY, NOW)
    for alert_id, name, sha256 in ((alert.id, "w3", item.sha256), (alert.id, "aud", "0" * 64), ("none", "aud", PHOTO)):
        with pytest.raises(NotFound):
            desk.erase_picture(alert_id, ACTORS[name], sha256, WHY, NOW)
    for reason in ("", "  ", "x" * 501, "a\u202eb"):
        with pytest.raises(InvalidInput):
            desk.erase_picture(alert.id, ACTORS["aud"], item.sha256, reason, NOW)
    assert desk.alert(alert.id, ACTORS["op"]).erased == ()


def test_an_erased_photo_proves_nothing_and_comes_back_by_no_sighting(desk: Desk) -> None:
    alert = raised(desk)
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), ("w1", "claim")):
        alert = do(desk, alert, who, what)
    alert = do(desk, alert, "w1", "accept", fence=alert.fence)
    alert = do(desk, alert, "w1", "arrive")
    alert = desk.add_evidence(alert.id, ACTORS["w1"], photo(), NOW + 10)
    still = alert.evidence[0]
    for item in (still.sha256, PHOTO):
        desk.erase_picture(alert.id, ACTORS["admin"], item, WHY, NOW + 20)
    with pytest.raises(InvalidInput, match="does not belong"):  # seen before the erasure, which outdates nothing
        do(desk, alert, "w1", "handle", evidence=[PHOTO], text="已疏散")
    desk.report(replace(later(incident(), Phase.CONTINUING, 2, 70.0), evidence=(still,)), NOW + 90)
    after = desk.alert(alert.id, ACTORS["op"])
    assert after.erased == (still.sha256, PHOTO)
    assert [item.sha256 for item in after.evidence] == [still.sha256, PHOTO]


def test_a_handled_case_stays_handled(desk: Desk) -> None:
    alert = handled(desk, raised(desk))
    erased = desk.erase_picture(alert.id, ACTORS["aud"], PHOTO, WHY, NOW + 50)
    assert (erased.state, erased.stage_clock) == (alert.state, alert.stage_clock)


def test_a_disk_that_refuses_asks_to_come_back(desk: Desk, town: Engine, store: EvidenceStore, tmp_path: Path) -> None:
    alert, item = raised(desk), a_photo(store)
    desk.add_evidence(alert.id, ACTORS["w1"], item, NOW + 10)
    desk.erase_picture(alert.id, ACTORS["aud"], item.sha256, WHY, NOW + 20)
    path = next(tmp_path.rglob(item.sha256))
    path.unlink()
    path.mkdir()
    with pytest.raises(Unavailable):
        sweep(town, store)
