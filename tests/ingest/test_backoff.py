from hypothesis import given
from hypothesis import strategies as st

from ingest.backoff import Accounts, delay_s
from models.camera import Credentials, SourceUrl
from models.errors import CameraNotFound, CameraStalled, CameraUnauthorised, CameraUnreachable

WRONG, RIGHT = Credentials("admin", "wrong"), Credentials("admin", "right")


def channel(number: int, account: Credentials | None = WRONG, host: str = "nvr") -> SourceUrl:
    return SourceUrl("rtsp", host, 554, f"/{number}", account)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_are_spread_grow_and_end(failures: int, chance: float) -> None:
    assert 0.5 <= delay_s(CameraUnreachable("x"), failures, chance) <= 6
    assert 0.5 <= delay_s(CameraNotFound("x"), failures, chance) <= 60
    assert 60 <= delay_s(CameraUnauthorised("x"), failures, chance) <= 75


def test_a_camera_that_is_away_is_found_soon_after_its_return() -> None:
    assert delay_s(CameraStalled("x"), 1, 0.0) == 1
    assert delay_s(CameraStalled("x"), 50, 0.0) == 6
    assert delay_s(CameraNotFound("x"), 50, 0.0) == 60


def test_thirty_two_channels_try_a_wrong_password_once_a_minute() -> None:
    accounts, tries = Accounts(), []
    for second in range(181):
        for number in range(32):
            source = channel(number)
            if accounts.wait_s(source, str(number), float(second)) == 0:
                tries.append(second)
                accounts.failed(source, str(number), CameraUnauthorised("no"), float(second))
    assert tries == [0, 60, 120, 180]


def test_while_one_tries_the_others_wait_and_its_success_lets_them_all_go() -> None:
    accounts = Accounts()
    assert accounts.wait_s(channel(1), "1", 0.0) == 0
    assert accounts.wait_s(channel(2), "2", 0.1) > 0
    assert not accounts.is_refused(channel(2), 0.1)
    accounts.accepted(channel(1), "1")
    assert accounts.wait_s(channel(2), "2", 0.2) == 0
    assert accounts.wait_s(channel(3), "3", 0.2) == 0


def test_a_proven_password_goes_on_while_a_wrong_one_is_refused() -> None:
    accounts = Accounts()
    accounts.accepted(channel(1, RIGHT), "1")
    assert accounts.wait_s(channel(9, WRONG), "probe", 1.0) == 0
    accounts.failed(channel(9, WRONG), "probe", CameraUnauthorised("no"), 1.0)
    assert accounts.wait_s(channel(9, WRONG), "probe", 2.0) == 59
    assert accounts.is_refused(channel(9, WRONG), 2.0)
    assert accounts.wait_s(channel(2, RIGHT), "2", 2.0) == 0


def test_after_a_failure_a_password_is_proven_again_by_one() -> None:
    accounts = Accounts()
    accounts.accepted(channel(1), "1")
    accounts.failed(channel(1), "1", CameraStalled("gone"), 5.0)
    assert accounts.wait_s(channel(1), "1", 6.0) == 0
    assert accounts.wait_s(channel(2), "2", 6.0) > 0


def test_a_try_that_nobody_ends_is_forgotten() -> None:
    accounts = Accounts()
    assert accounts.wait_s(channel(1), "1", 0.0) == 0
    assert accounts.wait_s(channel(2), "2", 19.0) > 0
    assert accounts.wait_s(channel(2), "2", 20.5) == 0


def test_other_hosts_names_and_cameras_without_a_password_are_free() -> None:
    accounts = Accounts()
    accounts.failed(channel(1), "1", CameraUnauthorised("no"), 0.0)
    assert accounts.wait_s(channel(1, WRONG, "other"), "2", 1.0) == 0
    assert accounts.wait_s(channel(1, Credentials("guest", "x")), "3", 1.0) == 0
    assert accounts.wait_s(channel(1, None), "4", 1.0) == 0
    assert accounts.wait_s(channel(1, None), "5", 1.0) == 0
    assert accounts.wait_s(channel(1, WRONG, "NVR"), "6", 1.0) == 59
