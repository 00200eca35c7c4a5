from ingest.watch import OFFLINE_S, Watch, WatchState
from models.errors import CameraRefused, CameraStalled
from models.incident import Phase
from tests.ingest.worker_samples import NOW_S, camera


def test_a_camera_that_never_answers_is_offline_after_ten_seconds_and_once() -> None:
    watch = Watch.begin(camera(), None, NOW_S).asked().failed(CameraRefused("nothing listens"), NOW_S + 1, 0.0)
    assert watch.offline(NOW_S + OFFLINE_S - 0.1) is None
    found = watch.offline(NOW_S + OFFLINE_S)
    assert found
    watch, said = found
    assert (said.kind, said.phase, said.onset_s) == ("camera_offline", Phase.ONSET, NOW_S)
    assert "nothing listens" in said.reason
    assert watch.offline(NOW_S + 100) is None


def test_dark_time_counts_from_the_last_picture() -> None:
    watch = Watch.begin(camera(), None, NOW_S).asked().pictured(NOW_S + 1).alive(NOW_S + 50)
    watch = watch.failed(CameraStalled("no picture"), NOW_S + 58, 0.0)
    found = watch.offline(NOW_S + 60)
    assert found
    assert found[1].onset_s == NOW_S + 50


def test_failed_lasts_through_tries_until_a_picture_comes() -> None:
    watch = Watch.begin(camera(), None, NOW_S).asked().failed(CameraRefused("a"), NOW_S + 1, 0.0)
    watch = watch.asked().failed(CameraRefused("b"), NOW_S + 5, 0.0)
    assert (watch.state, watch.since_s, watch.failures, watch.error) == (WatchState.FAILED, NOW_S + 1, 2, "b")
    watch = watch.asked().pictured(NOW_S + 9)
    assert (watch.state, watch.since_s, watch.error, watch.error_code) == (WatchState.WATCHING, NOW_S + 9, None, None)


def test_waits_grow_for_one_that_flaps_and_begin_anew_for_one_that_was_steady() -> None:
    watch = Watch.begin(camera(), None, NOW_S)
    for turn in range(3):
        watch = watch.asked().pictured(NOW_S + turn).failed(CameraStalled("x"), NOW_S + turn + 0.5, 0.0)
    assert watch.failures == 3
    watch = watch.asked().pictured(NOW_S + 10).failed(CameraStalled("x"), NOW_S + 50, 0.0)
    assert watch.failures == 1


def test_being_offline_survives_a_restart_and_then_ends() -> None:
    found = Watch.begin(camera(), None, NOW_S).failed(CameraRefused("x"), NOW_S, 0.0).offline(NOW_S + 20)
    assert found
    again = Watch.begin(camera(), found[0].snapshot(), NOW_S + 100)
    over = again.back(NOW_S + 101, "back")
    assert over
    assert (over.phase, over.onset_s) == (Phase.CLEARED, NOW_S)
    assert again.pictured(NOW_S + 101).back(NOW_S + 102, "back") is None


def test_a_snapshot_of_another_version_is_no_snapshot() -> None:
    assert Watch.begin(camera(), {"version": 99}, NOW_S) == Watch.begin(camera(), None, NOW_S)
