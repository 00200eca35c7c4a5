"""Notifications and webhooks from the sealed log to real receivers: order, answers, duplicates, failures."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browsers import Browser
from desk_scene import ACTORS, NOW, FakePlaces, do, raised
from receivers import Receiver, receiver
from sqlalchemy import Engine, event, insert, select

from alerts import deliveries
from alerts.channels import Channels
from alerts.database import reading, writing
from alerts.deliveries import AT_ONCE, COUNTED_S, DEAD, DROPPED, IN_FLIGHT_S, SENT, WAITING, Delivery
from alerts.desk import Desk
from alerts.egress import Egress
from alerts.notify import DEAD_KEPT_S, PRUNED_AT_ONCE, Notifier
from alerts.registry import Registry
from alerts.sealer import seal
from alerts.vault import Vault
from alerts.web_push import WebPush
from alerts.webhooks import Webhooks
from models.alert import Alert
from models.camera import AllowedNetworks
from models.errors import Conflict, EgressRefused, Forbidden, InvalidInput, NotFound
from models.geo import GeoPoint
from models.people import SYSTEM, Duty
from models.tables import deliveries as table

DAY_S = 86_400.0
SECRET = "sixteen characters and more"


@dataclass
class Scene:
    desk: Desk
    engine: Engine
    places: FakePlaces
    notifier: Notifier
    far: Receiver
    now_s: float = NOW

    def channel(self, person: str, path: str, wait_s: float = 60.0) -> str:
        config = {"url": self.far.url(path), "body": '{"text": "{text}"}', "phone": "13800000000"}
        return self.notifier.channels.add(SYSTEM, person, "http", config, wait_s=wait_s).id

    def dispatched(self, seq: int = 1) -> Alert:
        alert = do(self.desk, raised(self.desk, seq, zone_id=f"z{seq}"), "op", "acknowledge")
        return do(self.desk, alert, "op", "dispatch")

    def run(self, after_s: float = 0.0) -> None:
        """All that is due ``after_s`` seconds later."""
        self.now_s += after_s
        while seal(self.engine, "test", self.now_s):
            pass
        while self.notifier.read():
            pass
        while due := deliveries.claim(self.engine, self.now_s, 8):
            for item in due:
                self.notifier.send(item)

    @property
    def paths(self) -> list[str]:
        return [got.path for got in self.far.got]

    def rows(self) -> list[Delivery]:
        return list(reversed(deliveries.listed(self.engine, SYSTEM).items))


@pytest.fixture
def scene(desk: Desk, town: Engine, places: FakePlaces, tmp_path: Path) -> Iterator[Scene]:
    vault, egress = Vault(tmp_path / "secret.key"), Egress(AllowedNetworks.parse("127.0.0.0/8"), longest_s=5)
    clock: Callable[[], float] = lambda: made.now_s  # noqa: E731 - the scene's own
    registry = Registry(town, vault)
    push = WebPush(vault, "mailto:desk@example.com", clock, ("http://127.0.0.1",))
    channels = Channels(town, registry, vault, egress, clock, push)
    hooks = Webhooks(town, vault, egress, clock)
    notifier = Notifier(town, places, channels, hooks, egress, clock, lambda: 1.0, kept_s=90 * DAY_S)
    with receiver() as far:
        made = Scene(desk, town, places, notifier, far)
        yield made


def test_channels_are_tried_in_order_until_someone_answers(scene: Scene) -> None:
    for path in ("/first", "/second", "/third"):
        scene.channel("w1", path)
    alert = scene.dispatched()
    scene.run(20)
    assert scene.paths == ["/first"]
    scene.run(59)
    assert scene.paths == ["/first"]
    scene.run(2)
    assert scene.paths == ["/first", "/second"]
    do(scene.desk, alert, "w1", "claim", now_s=scene.now_s)
    scene.run(600)
    assert scene.paths == ["/first", "/second"]
    assert [(row.state, row.said) for row in scene.rows()][2] == (DROPPED, "somebody has acted since: claimed")
    assert alert.id in json.loads(scene.far.got[0].body)["text"]


@pytest.mark.both_databases
def test_reading_twice_or_by_two_makes_nothing_twice(scene: Scene) -> None:
    scene.channel("w1", "/a")
    scene.dispatched()
    scene.run(20)
    scene.run()
    other = replace(scene.notifier)
    assert (other.read(), scene.notifier.read()) == (0, 0)
    assert (len(scene.rows()), scene.paths) == (1, ["/a"])


@pytest.mark.both_databases
def test_who_died_between_sending_and_marking_sends_it_once_more_under_the_same_id(scene: Scene) -> None:
    scene.channel("w1", "/a")
    scene.dispatched()
    scene.now_s += 20
    seal(scene.engine, "test", scene.now_s)
    scene.notifier.read()
    (item,) = deliveries.claim(scene.engine, scene.now_s, 8)
    assert scene.notifier._send(item) is None  # on the wire; then it dies before it can say so
    scene.run(IN_FLIGHT_S - 1)
    assert len(scene.far.got) == 1
    scene.run(2)
    scene.run(IN_FLIGHT_S * 2)
    first, second = scene.far.got
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == item.message_id
    deliveries.settle(scene.engine, item, DEAD, "late", scene.now_s)  # the lost one's word counts no more
    assert [row.state for row in scene.rows()] == [SENT]


@pytest.mark.both_databases
def test_a_browser_that_is_subscribed_no_more_is_passed_over_and_the_next_channel_begins(scene: Scene) -> None:
    channels, browser = scene.notifier.channels, Browser(scene.far.url("/browser"))
    first = channels.subscribe("w1", browser.subscription, "en")
    assert channels.subscribe("w1", browser.subscription, "zh").id == first.id
    scene.channel("w1", "/gateway", wait_s=3600)
    alert = scene.dispatched()
    scene.run(20)
    assert alert.id in browser.opened(scene.far.got[0].body)["text"]
    scene.far.answers = [404]
    scene.dispatched(2)
    scene.run(20)
    assert scene.paths == ["/browser", "/browser", "/gateway"]
    (dead,) = (row for row in scene.rows() if row.state == DEAD)
    assert (dead.said, dead.attempts) == ("the browser is subscribed no more", 1)
    assert [channel.dead_s for channel in channels.own("w1")] == [scene.now_s, None]
    scene.dispatched(3)
    scene.run(20)
    assert scene.paths[3:] == ["/gateway"]
    again = channels.subscribe("w1", Browser(scene.far.url("/new")).subscription, "zh")
    assert [channel.kind for channel in channels.own("w1")] == ["http", "webpush"]
    with pytest.raises(NotFound):
        channels.unsubscribe("w2", again.id)
    with pytest.raises(NotFound):  # what an administrator set up
        channels.unsubscribe("w1", channels.own("w1")[0].id)
    channels.unsubscribe("w1", again.id)
    assert len(channels.own("w1")) == 1


def test_without_a_contact_there_is_no_web_push(scene: Scene) -> None:
    without = replace(scene.notifier, channels=Channels(scene.engine, *([None] * 4)))  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="WANGGE_PUSH_CONTACT"):
        without.channels.subscribe("w1", Browser("https://fcm.googleapis.com/x").subscription, "zh")


def test_off_duty_nobody_is_told_and_it_says_so(scene: Scene) -> None:
    scene.channel("w1", "/a")
    scene.dispatched()
    scene.places.on_duty.clear()
    scene.run(20)
    assert scene.paths == []
    assert [(row.state, row.said) for row in scene.rows()] == [(DROPPED, "the person is not on duty")]


def test_without_a_channel_it_says_so(scene: Scene) -> None:
    scene.dispatched()
    scene.run(20)
    assert [(row.person_id, row.said) for row in scene.rows()] == [("w1", "the person has no channel")]


def test_five_failures_are_a_dead_letter_that_lets_the_next_channel_begin(scene: Scene) -> None:
    scene.channel("w1", "/bad", wait_s=3600)
    scene.channel("w1", "/good")
    alert = scene.dispatched()
    scene.far.answers = [500, 500, 302, 500, 500]
    for wait_s in (20, 3, 11, 51):
        scene.run(wait_s)
        assert set(scene.paths) == {"/bad"}
    assert scene.rows()[0].said == "it answers 500"
    scene.run(251)
    assert scene.paths == ["/bad"] * 5 + ["/good"]
    dead = scene.rows()[0]
    assert (dead.state, dead.attempts) == (DEAD, 5)
    assert deliveries.counts(scene.engine, scene.now_s) == {("notice", DEAD, ""): 1, ("notice", SENT, ""): 1}
    with pytest.raises(NotFound):
        deliveries.retry(scene.engine, ACTORS["op"], dead.id, scene.now_s)
    deliveries.retry(scene.engine, ACTORS["admin"], dead.id, scene.now_s)
    scene.run()
    assert scene.paths[-1] == "/bad"
    with pytest.raises(Conflict, match="only what is dead"):
        deliveries.retry(scene.engine, ACTORS["admin"], dead.id, scene.now_s)
    assert scene.desk.alert(alert.id, ACTORS["op"]).version == alert.version


def test_nobody_is_woken_for_what_is_over(scene: Scene) -> None:
    scene.channel("w1", "/a")
    scene.dispatched()
    seal(scene.engine, "test", NOW + 20)
    scene.run(90 * 86_400)
    assert (scene.rows(), scene.paths) == ([], [])
    scene.now_s = NOW
    scene.dispatched(2)
    scene.run(20)
    deliveries_before = len(scene.rows())
    assert (deliveries_before, scene.paths) == (1, ["/a"])


def test_a_receiver_that_fails_is_not_hurried_by_the_next_message(scene: Scene) -> None:
    scene.notifier.webhooks.add(ACTORS["admin"], "hall", "d", scene.far.url("/hook"), SECRET)
    scene.now_s += 1
    scene.far.answers = [503]
    scene.dispatched()
    scene.run(20)
    assert len(scene.far.got) == 1
    scene.run(3)
    told = [json.loads(got.body) for got in scene.far.got]
    assert [event["type"] for event in told] == [
        *["wangge.alert.detected"] * 2,
        "wangge.alert.acknowledged",
        "wangge.alert.dispatched",
    ]


@pytest.mark.both_databases
def test_a_receiver_gets_a_few_at_once_and_each_alert_in_order(scene: Scene) -> None:
    scene.notifier.webhooks.add(ACTORS["admin"], "hall", "d", scene.far.url("/hook"), SECRET)
    scene.now_s += 1
    told = [scene.dispatched(seq).id for seq in range(1, 7)]
    scene.now_s += 20
    seal(scene.engine, "test", scene.now_s)
    scene.notifier.read()
    begun = deliveries.claim(scene.engine, scene.now_s, 100)
    assert [(item.alert_id, item.topic) for item in begun] == [(alert, "detected") for alert in told[:AT_ONCE]]
    assert deliveries.claim(scene.engine, scene.now_s, 100) == []
    scene.far.answers = [200, 500]
    for item in begun[:2]:
        scene.notifier.send(item)
    assert deliveries.claim(scene.engine, scene.now_s, 100) == []  # it fails: not now, though one place is free
    for item in begun[2:]:
        scene.notifier.send(item)
    (again,) = deliveries.claim(scene.engine, scene.now_s + 3, 100)
    assert (again.alert_id, again.attempts) == (told[1], 2)
    scene.notifier.send(again)
    scene.run(3)
    types = [
        event["type"] for event in map(json.loads, (got.body for got in scene.far.got)) if event["subject"] == told[5]
    ]
    assert types == [f"wangge.alert.{each}" for each in ("detected", "acknowledged", "dispatched")]


@pytest.mark.both_databases
def test_two_notifiers_at_once_send_each_message_once(scene: Scene) -> None:
    scene.channel("w1", "/a")
    for seq in range(1, 13):
        scene.dispatched(seq)
    scene.now_s += 20
    seal(scene.engine, "test", scene.now_s)

    def work() -> int:
        sent = 0
        for _ in range(40):
            scene.notifier.read(5)
            for item in deliveries.claim(scene.engine, scene.now_s, 2):
                scene.notifier.send(item)
                sent += 1
        return sent

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(work) for _ in range(2)]
        assert sum(each.result() for each in both) == 12
    assert len({got.headers["idempotency-key"] for got in scene.far.got}) == len(scene.far.got) == 12


def test_a_webhook_gets_signed_cloud_events_of_its_own_grid(scene: Scene) -> None:
    scene.notifier.webhooks.add(ACTORS["admin"], "here", "g1", scene.far.url("/here"), SECRET)
    scene.notifier.webhooks.add(ACTORS["admin"], "there", "e", scene.far.url("/there"), SECRET)
    alert = raised(scene.desk)
    scene.run(20)
    (got,) = scene.far.got
    assert (got.path, got.headers["content-type"]) == ("/here", "application/cloudevents+json; charset=utf-8")
    moment, _, digest = got.headers["wangge-signature"].partition(",v1=")
    signed = moment.removeprefix("t=").encode() + b"." + got.body
    assert digest == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    event = json.loads(got.body)
    assert (event["specversion"], event["id"], event["subject"]) == ("1.0", f"{alert.id}:1", alert.id)
    assert event["data"]["geometry"] == {"type": "Point", "coordinates": [1.0, 1.0]}
    assert event["data"]["properties"]["state"] == "new"
    assert set(event["data"]["properties"]["evidence"][0]) == {"sha256", "kind"}


def test_what_may_not_be_set_up(scene: Scene) -> None:
    hooks, channels = scene.notifier.webhooks, scene.notifier.channels
    with pytest.raises(EgressRefused):
        hooks.add(ACTORS["admin"], "n", "c", "http://169.254.169.254/latest", SECRET)
    with pytest.raises(InvalidInput):
        hooks.add(ACTORS["admin"], "n", "c", scene.far.url(), "short")
    with pytest.raises(Forbidden):
        hooks.add(ACTORS["op"], "n", "c", scene.far.url(), SECRET)
    with pytest.raises(NotFound):
        hooks.add(ACTORS["admin"], "n", "nowhere", scene.far.url(), SECRET)
    with pytest.raises(EgressRefused):
        channels.add(ACTORS["admin"], "w1", "apprise", {"url": "ntfy://169.254.169.254/t"})
    with pytest.raises(NotFound):
        channels.of(ACTORS["op"], "w1")


def test_what_is_taken_away_is_told_no_more(scene: Scene) -> None:
    channel = scene.channel("w1", "/a")
    hook = scene.notifier.webhooks.add(ACTORS["admin"], "n", "c", scene.far.url("/h"), SECRET)
    scene.dispatched()
    seal(scene.engine, "test", NOW + 20)
    scene.now_s += 20
    scene.notifier.read()
    scene.notifier.channels.remove(ACTORS["admin"], "w1", channel)
    scene.notifier.webhooks.remove(ACTORS["admin"], hook.id)
    scene.run()
    assert scene.paths == []
    assert {row.said for row in scene.rows()} == {"the channel has been taken away", "the webhook has been taken away"}


def test_secrets_are_sealed_at_rest(scene: Scene) -> None:
    scene.channel("w1", "/token-of-the-gateway")
    scene.notifier.webhooks.add(ACTORS["admin"], "n", "c", scene.far.url("/token-of-the-gateway"), SECRET)
    raw = b"".join(path.read_bytes() for path in Path(scene.engine.url.database or "").parent.glob("*.db*"))
    assert b"webhooks" in raw
    for secret in (b"token-of-the-gateway", SECRET.encode(), b"13800000000"):
        assert secret not in raw


def test_an_exercise_reaches_nobody_and_no_other_system(scene: Scene) -> None:
    scene.channel("w1", "/a")
    scene.notifier.webhooks.add(SYSTEM, "city hall", "c", scene.far.url("/hook"), SECRET)
    alert = scene.desk.practise(ACTORS["sup"], "g1", "crowding", "a drill", GeoPoint(1.0, 1.0), NOW + 1)
    alert = do(scene.desk, do(scene.desk, alert, "op", "acknowledge"), "op", "dispatch")
    assert alert.offered_to == ("w1",)
    scene.run(20)
    assert (scene.paths, scene.rows()) == ([], [])
    scene.dispatched()  # the same of a real one
    scene.run()
    assert "/a" in scene.paths


def old_rows(scene: Scene, alert: Alert, states: dict[str, int]) -> None:
    """So many in each state, as if they had been settled at the epoch of the scene."""
    plain = {
        "purpose": "notice",
        "target_id": "C",
        "person_id": "w1",
        "alert_id": alert.id,
        "version": 1,
        "position": 1,
    }
    plain |= {"topic": "offered", "place": 0, "on_duty_only": False, "said": "", "attempts": 1, "made_s": NOW}
    rows = [
        {**plain, "state": state, "key": f"{state}:{n}", "due_s": NOW} for state in states for n in range(states[state])
    ]
    with writing(scene.engine) as connection:
        connection.execute(insert(table), rows)


@pytest.mark.both_databases
def test_old_messages_are_forgotten_step_by_step_dead_letters_later_those_that_wait_never(scene: Scene) -> None:
    old_rows(scene, raised(scene.desk), {SENT: PRUNED_AT_ONCE, DROPPED: 2, DEAD: 3, WAITING: 4})

    def kept() -> list[str]:
        with reading(scene.engine) as connection:
            return sorted(connection.execute(select(table.c.state)).scalars())

    scene.now_s = NOW + 90 * DAY_S
    assert scene.notifier.prune() == 0
    scene.now_s += 1
    assert (scene.notifier.prune(), len(kept())) == (PRUNED_AT_ONCE, 9)
    assert (scene.notifier.prune(), scene.notifier.prune()) == (2, 0)
    assert kept() == [DEAD] * 3 + [WAITING] * 4
    assert replace(scene.notifier, kept_s=1000 * DAY_S).prune() == 0
    scene.now_s = NOW + DEAD_KEPT_S + 1
    assert (scene.notifier.prune(), kept()) == (3, [WAITING] * 4)


@pytest.mark.both_databases
def test_counting_and_forgetting_walk_an_index_and_old_ones_are_counted_no_more(scene: Scene) -> None:
    old_rows(scene, raised(scene.desk), {SENT: 5, DROPPED: 2, DEAD: 3, WAITING: 4})
    asked: list[tuple[str, Any]] = []
    event.listen(scene.engine, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
    assert sum(deliveries.counts(scene.engine, NOW + COUNTED_S).values()) == 14
    lately = deliveries.counts(scene.engine, NOW + COUNTED_S + 1)
    assert lately == {("notice", DEAD, ""): 3, ("notice", WAITING, deliveries.FAILED): 4}
    assert deliveries.dead_letters(scene.engine) == 3
    deliveries.prune(scene.engine, NOW - 1, NOW - 1, 100)
    looks = [(text, values) for text, values in asked if "FROM deliveries" in text]
    assert len(looks) == 7
    if scene.engine.dialect.name != "sqlite":
        return  # PostgreSQL reads so small a table whole, rightly
    with scene.engine.connect() as connection:
        for text, values in looks:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all())
            assert "ix_deliveries_state_due_s (state=?" in plan, (text, plan)


@pytest.mark.parametrize(("fault", "state"), [(OSError(24, "/secret"), WAITING), (AttributeError("secret"), DEAD)])
def test_a_message_that_trips_a_fault_ends_no_notifier_and_repeats_no_words(
    scene: Scene, fault: Exception, state: str
) -> None:
    class Tripping:
        def duties(self, *_: object) -> list[Duty]:
            raise fault

    scene.channel("w1", "/a")
    scene.dispatched()
    scene.notifier = replace(scene.notifier, rota=Tripping())
    scene.run(20)
    assert [(row.state, row.said) for row in scene.rows()] == [(state, f"a fault of ours: {type(fault).__name__}")]
