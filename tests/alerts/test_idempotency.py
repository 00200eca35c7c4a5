"""Answers that are remembered."""

import pytest
from desk_scene import ACTORS, NOW, raised
from sqlalchemy import Engine

from alerts.desk import Desk
from alerts.idempotency import KEEP_S, Remember, forget, remembered
from models.alert import Command, CommandType
from models.errors import InvalidInput, RetryLater

pytestmark = pytest.mark.both_databases


def ask(desk: Desk, alert_id: str, key: str = "k") -> None:
    kept = Remember("op", key, "1" * 64, lambda after: (200, {"state": after.state.value}))
    desk.execute(alert_id, Command(CommandType.ACKNOWLEDGE, ACTORS["op"]), 1, NOW, kept)


def test_the_same_request_gets_the_same_answer_for_its_owner_only(desk: Desk, town: Engine) -> None:
    assert remembered(town, "op", "k", "1" * 64) is None
    ask(desk, raised(desk).id)
    assert remembered(town, "op", "k", "1" * 64) == (200, {"state": "acknowledged"})
    assert remembered(town, "sup", "k", "1" * 64) is None
    with pytest.raises(InvalidInput, match="another request"):
        remembered(town, "op", "k", "2" * 64)


def test_a_request_that_raced_itself_is_sent_back_for_its_answer(desk: Desk) -> None:
    first, second = raised(desk), raised(desk, 2, zone_id="y")
    ask(desk, first.id)
    with pytest.raises(RetryLater, match="send it again"):
        ask(desk, second.id)
    assert desk.alert(second.id, ACTORS["op"]).version == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "a\nb", "\ud800"], ids=range(5))
def test_keys_that_are_none(desk: Desk, town: Engine, key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency key"):
        remembered(town, "op", key, "1" * 64)
    alert = raised(desk)
    with pytest.raises(InvalidInput, match="idempotency key"):
        ask(desk, alert.id, key)
    assert desk.alert(alert.id, ACTORS["op"]).version == 1


def test_answers_are_forgotten_after_a_day(desk: Desk, town: Engine) -> None:
    ask(desk, raised(desk).id)
    assert forget(town, NOW + KEEP_S) == 0
    assert forget(town, NOW + KEEP_S + 1) == 1
    assert remembered(town, "op", "k", "1" * 64) is None
