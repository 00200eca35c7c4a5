"""Who hears, when it has lost its meaning, when it is tried again, in which words."""

from dataclasses import replace

import pytest
from desk_scene import NOW, incident

from alerts.notify_rules import MOST_FAILURES, OLDEST_S, moot, notices, retry_in_s, text_of, title_of, too_old
from alerts.projection import by_system, detected, replay
from models.alert import Alert, Event, EventType, State

E = EventType


@pytest.fixture
def alert() -> Alert:
    return replay([detected("a", incident(), ("g1", "/c/d/g1/"), ("g1",), "why", NOW)])


def test_who_hears(alert: Alert) -> None:
    def hear(kind: EventType, seen: Alert, **data: object) -> list[tuple[str, bool]]:
        return [(n.person_id, n.on_duty_only) for n in notices(seen, by_system("a", 2, kind, NOW, data))]

    offered = replace(alert, offered_to=("w1", "w2"), acknowledged_by="op", assignee="w1")
    assert hear(E.DISPATCHED, offered) == hear(E.CLAIM_EXPIRED, offered) == [("w1", True), ("w2", True)]
    assert hear(E.ESCALATED, offered, who=["lead", "sup"], offered_to=["lead"]) == [("lead", True), ("sup", False)]
    assert hear(E.RETURNED, offered) == hear(E.HANDLED, offered) == [("op", False)]
    assert hear(E.REJECTED, offered) == [("w1", True)]
    assert hear(E.SEEN_AGAIN, offered) == hear(E.CLAIMED, offered) == hear(E.RETURNED, alert) == []


def test_any_answer_ends_it_and_what_answers_nothing_does_not() -> None:
    def event(kind: EventType) -> Event:
        return by_system("a", 3, kind, NOW, {})

    assert moot(State.DISPATCHED, [event(E.SEEN_AGAIN), event(E.ESCALATED), event(E.NOTED)]) is None
    for kind in (E.CLAIMED, E.ACCEPTED, E.ACKNOWLEDGED, E.DISPATCHED, E.VOIDED):
        assert kind.value in (moot(State.DISPATCHED, [event(kind)]) or "")
    assert "ended" in (moot(State.CLOSED, []) or "")


def test_later_and_later_then_never() -> None:
    waits = [retry_in_s(failures, 1.0) for failures in range(1, MOST_FAILURES)]
    assert waits == [2.0, 10.0, 50.0, 250.0]
    assert retry_in_s(1, 0.0) == 1.0
    assert retry_in_s(MOST_FAILURES, 0.5) is None
    assert not too_old(NOW, NOW + OLDEST_S)
    assert too_old(NOW, NOW + OLDEST_S + 1)


def test_words_in_both_languages(alert: Alert) -> None:
    assert "人群聚集（橙色），网格 g1" in text_of(alert, "zh")
    assert "Crowding (orange) in grid g1" in text_of(alert, "en")
    for kind in ("offered", "escalated", "asked_again", "returned", "handled", "rejected"):
        assert title_of(kind, "zh").startswith("【网格】")
        assert title_of(kind, "en").startswith("Wangge: ")
