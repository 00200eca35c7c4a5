"""Signing in, being limited, signing out."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import Databases
from registry_scene import Scene, build
from sqlalchemy import select, update

from alerts.accounts import (
    FAILURE_WINDOW_S,
    MOST_CHECKS,
    MOST_FAILURES,
    change_password,
    session_of,
    sign_in,
    sign_out,
)
from alerts.database import reading, writing
from alerts.passwords import check_password, hash_password, one_time_password, verify_password
from models.errors import InvalidInput, TooManyAttempts, Unauthenticated, WanggeError
from models.people import SYSTEM, Permission, Role
from models.tables import people, sessions, sign_in_failures

pytestmark = pytest.mark.both_databases

PASSWORD = "correct horse battery"
NOW = 1_800_000_000.0


@pytest.fixture
def scene(tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    for scene in build(tmp_path, databases):
        scene.registry.add_person(
            SYSTEM, "zhangwei", "张伟", PASSWORD, [(Role.GRID_WORKER, "A1"), (Role.OPERATOR, "A")]
        )
        yield scene


def enter(
    scene: Scene, username: str = "zhangwei", password: str = PASSWORD, now_s: float = NOW, address: str = "10.0.0.1"
):  # type: ignore[no-untyped-def]
    return sign_in(scene.engine, username, password, address, 3600.0, now_s)


def fail(scene: Scene, times: int, **about: object) -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            enter(scene, **{"password": "wrong wrong wrong", **about})  # type: ignore[arg-type]


def test_who_signs_in_may_do_what_was_granted_there_and_nowhere_else(scene: Scene) -> None:
    session = enter(scene, " ZhangWei ")
    who = session_of(scene.engine, session.token, NOW + 1)
    assert who.actor.role_for(Permission.ALERT_WORK, "/R/A/A1/") is Role.GRID_WORKER
    assert who.actor.role_for(Permission.ALERT_DISPATCH, "/R/A/A2/") is Role.OPERATOR
    assert who.actor.role_for(Permission.ALERT_READ, "/R/B/B1/") is None
    assert (who.person_id, who.must_change_password, who.expires_s) == (session.person.id, False, NOW + 3600)
    assert who.csrf_token == session.csrf_token


def test_no_secret_is_stored_or_shown(scene: Scene) -> None:
    session = enter(scene)
    with reading(scene.engine) as connection:
        stored = str(connection.execute(select(sessions)).all()) + str(connection.execute(select(people)).all())
    assert session.token not in stored
    assert PASSWORD not in stored
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in stored
    who = session_of(scene.engine, session.token, NOW)
    for shown in (repr(session), repr(who)):
        assert session.token not in shown
        assert session.csrf_token not in shown


def test_the_same_words_whether_the_user_or_the_password_is_wrong(scene: Scene) -> None:
    sentences = set()
    for number, (username, password) in enumerate(
        [
            ("zhangwei", "wrong wrong wrong"),
            ("nobody", PASSWORD),
            ("", ""),
            ("\ud800\x00", "\ud800"),
            ("x" * 9999, "y" * 9999),
        ]
    ):
        with pytest.raises(Unauthenticated) as caught:
            enter(scene, username, password, address=f"10.0.1.{number}")
        sentences.add(str(caught.value))
    assert sentences == {"user name or password is wrong"}


def test_the_same_time_whether_the_user_is_known(scene: Scene) -> None:
    """Seconds of CPU: the hash is the work, and neither the disk nor a busy machine blurs it."""

    def least_s(username: str) -> float:
        times = []
        for number in range(4):
            begun_s = time.thread_time()
            fail(scene, 1, username=username, address=f"10.0.{len(username)}.{number}")
            times.append(time.thread_time() - begun_s)
        return min(times)

    known_s, unknown_s = least_s("zhangwei"), least_s("nobody")
    assert unknown_s > known_s / 2
    assert known_s > unknown_s / 2


def test_an_account_that_failed_too_often_waits_however_right_the_password(scene: Scene) -> None:
    for number in range(MOST_FAILURES):
        fail(scene, 1, address=f"10.0.0.{number}", now_s=NOW + number)
    with pytest.raises(TooManyAttempts) as caught:
        enter(scene, address="10.9.9.9", now_s=NOW + 10)
    assert caught.value.retry_after_s == FAILURE_WINDOW_S - 10
    assert enter(scene, address="10.9.9.9", now_s=NOW + FAILURE_WINDOW_S).token


def test_an_unknown_account_is_limited_in_the_same_words(scene: Scene) -> None:
    sentences = set()
    for username in ("zhangwei", "nobody"):
        for number in range(MOST_FAILURES):
            fail(scene, 1, username=username, address=f"10.{len(username)}.0.{number}")
        with pytest.raises(TooManyAttempts) as caught:
            enter(scene, username, address="10.9.9.9")
        sentences.add(str(caught.value))
    assert len(sentences) == 1


def test_an_address_that_failed_too_often_waits_and_others_do_not(scene: Scene) -> None:
    for number in range(MOST_FAILURES):
        fail(scene, 1, username=f"guess{number}")
    with pytest.raises(TooManyAttempts):
        enter(scene)
    assert enter(scene, address="10.0.0.2").token


def test_an_ipv6_subscriber_is_one_address(scene: Scene) -> None:
    for number in range(MOST_FAILURES):
        fail(scene, 1, username=f"guess{number}", address=f"2001:db8:1:2::{number}")
    with pytest.raises(TooManyAttempts):
        enter(scene, address="2001:db8:1:2:ffff::1")
    assert enter(scene, address="2001:db8:1:3::1").token
    for number in range(MOST_FAILURES):
        fail(scene, 1, username=f"other{number}", address=f"::ffff:10.0.7.{number}")
    assert enter(scene, address="::ffff:10.0.7.99").token


def test_success_forgives_the_account_but_not_the_address(scene: Scene) -> None:
    fail(scene, MOST_FAILURES - 1)
    enter(scene)
    fail(scene, 1)
    with pytest.raises(TooManyAttempts):
        enter(scene)
    assert enter(scene, address="10.0.0.2").token


def test_guesses_at_the_same_moment_are_limited_like_guesses_in_a_row(scene: Scene) -> None:
    outcomes: list[type] = []

    def guess(number: int) -> None:
        try:
            enter(scene, password=f"wrong wrong {number}", address=f"10.0.0.{number}")
        except WanggeError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Unauthenticated) == MOST_FAILURES
    assert outcomes.count(TooManyAttempts) == 12 - MOST_FAILURES


def test_one_address_that_tries_many_names_at_the_same_moment_is_limited(scene: Scene) -> None:
    tried: list[str] = []

    def guess(number: int) -> None:
        with pytest.raises(WanggeError) as caught:
            enter(scene, f"nobody{number}")
        tried.append(caught.value.code)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(tried) == 24
    assert tried.count("unauthenticated") < MOST_FAILURES + MOST_CHECKS


def test_a_password_typed_as_user_name_is_not_stored(scene: Scene) -> None:
    fail(scene, 1, username=PASSWORD)
    with reading(scene.engine) as connection:
        rows = connection.execute(select(sign_in_failures.c.subject)).scalars().all()
    assert len(rows) == 2
    assert not any(PASSWORD in row for row in rows)
    assert max(map(len, rows)) <= 128


def test_old_failures_are_forgotten_at_rest_as_well(scene: Scene) -> None:
    fail(scene, 3)
    enter(scene, now_s=NOW + FAILURE_WINDOW_S + 1)
    with reading(scene.engine) as connection:
        assert connection.execute(select(sign_in_failures)).all() == []


@pytest.mark.parametrize("end", ["sign_out", "expiry", "inactive", "reset"])
def test_a_session_ends(scene: Scene, end: str) -> None:
    session = enter(scene)
    now_s = NOW + 10
    if end == "sign_out":
        sign_out(scene.engine, session.token, now_s)
        sign_out(scene.engine, session.token, now_s)
    elif end == "expiry":
        now_s = NOW + 3600
    elif end == "reset":
        scene.registry.reset_password(SYSTEM, session.person.id)
    else:
        with writing(scene.engine) as connection:
            connection.execute(update(people).values(active=False))
    with pytest.raises(Unauthenticated):
        session_of(scene.engine, session.token, now_s)


def test_a_person_who_is_not_active_cannot_sign_in(scene: Scene) -> None:
    with writing(scene.engine) as connection:
        connection.execute(update(people).values(active=False))
    fail(scene, 1, password=PASSWORD)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "' OR 1=1 --", "x" * 10_000])
def test_a_made_up_token_is_nobodys(scene: Scene, token: str) -> None:
    with pytest.raises(Unauthenticated):
        session_of(scene.engine, token, NOW)


def test_signing_out_one_session_leaves_the_others(scene: Scene) -> None:
    one, other = enter(scene), enter(scene)
    sign_out(scene.engine, one.token, NOW)
    assert session_of(scene.engine, other.token, NOW).person_id == one.person.id


def test_ended_sessions_of_a_person_do_not_pile_up(scene: Scene) -> None:
    enter(scene)
    enter(scene, now_s=NOW + 4000)
    with reading(scene.engine) as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_choosing_a_password_ends_the_other_sessions_and_the_one_time_one(scene: Scene) -> None:
    person, one_time = scene.registry.add_person(SYSTEM, "lina", "李娜", None, [(Role.OPERATOR, "A")])
    assert one_time is not None
    here, elsewhere = enter(scene, "lina", one_time), enter(scene, "lina", one_time)
    assert here.person.must_change_password
    change_password(scene.engine, here.token, one_time, "a quite new password", NOW + 1)
    assert not session_of(scene.engine, here.token, NOW + 2).must_change_password
    with pytest.raises(Unauthenticated):
        session_of(scene.engine, elsewhere.token, NOW + 2)
    fail(scene, 1, username="lina", password=one_time)
    assert enter(scene, "lina", "a quite new password").person.id == person.id


def test_choosing_a_password_needs_the_current_one_and_guesses_are_limited(scene: Scene) -> None:
    session = enter(scene)
    for _ in range(MOST_FAILURES):
        with pytest.raises(InvalidInput, match="current password is wrong"):
            change_password(scene.engine, session.token, "a wrong password", "a quite new password", NOW)
    with pytest.raises(TooManyAttempts):
        change_password(scene.engine, session.token, PASSWORD, "a quite new password", NOW)
    with pytest.raises(Unauthenticated):
        change_password(scene.engine, "no token", PASSWORD, "a quite new password", NOW)


@pytest.mark.parametrize(
    "new", ["short", "zhangwei", PASSWORD, "a" * 30, "x" * 11, "long enough\x00 or not", "长" * 200]
)
def test_a_poor_password_is_refused_without_repeating_it(scene: Scene, new: str) -> None:
    session = enter(scene)
    with pytest.raises(InvalidInput) as caught:
        change_password(scene.engine, session.token, PASSWORD, new, NOW)
    assert new not in str(caught.value)


def test_the_rule_asks_for_length_and_not_for_a_mix() -> None:
    check_password("four little words", "zhangwei")
    check_password("网格员也可以用中文做密码哦", "zhangwei")
    with pytest.raises(InvalidInput, match="user name"):
        check_password("Wangge.Admin.01", "wangge.admin.01")


def test_one_password_on_two_keyboards_is_the_same() -> None:
    assert verify_password("Ｗide letters 123", hash_password("Wide letters 123"))
    assert not verify_password("wide letters 123", hash_password("Wide letters 123"))


def test_one_time_passwords_keep_the_rule_and_differ() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_password(password, "someone")
        assert not set(password) & set("il1o0O ")
