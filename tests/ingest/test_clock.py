from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import FrameClock, ticks_between

HZ = 90_000
START_S = 1_790_000_000.0


def run(ticks: list[tuple[int, float]], clock: FrameClock | None = None) -> list[float]:
    clock = clock or FrameClock(HZ)
    times = []
    for rtp, arrival_s in ticks:
        clock = clock.tick(rtp & 0xFFFFFFFF, arrival_s)
        times.append(clock.at_s)
    return times


def stream(seconds: float, from_rtp: int = 0, fps: int = 10, from_s: float = START_S) -> list[tuple[int, float]]:
    return [(from_rtp + i * HZ // fps, from_s + i / fps) for i in range(round(seconds * fps))]


def test_begins_at_arrival_and_advances_with_the_stream_not_with_jitter() -> None:
    late = [(rtp, at + (0.4 if i % 3 else 0.0)) for i, (rtp, at) in enumerate(stream(5))]
    times = run(late)
    assert times[0] == START_S
    assert times[-1] - times[0] == pytest.approx(4.9, abs=0.05)


def test_goes_on_over_the_wrap_of_32_bits() -> None:
    times = run(stream(10, from_rtp=2**32 - 5 * HZ))
    assert times[-1] - times[0] == pytest.approx(9.9, abs=0.001)


@pytest.mark.parametrize("jump_s", [3600, -3600, 6, -6, -2, 40_000])
def test_a_timestamp_jump_neither_freezes_nor_bursts(jump_s: int) -> None:
    before = stream(10)
    after = stream(10, from_rtp=10 * HZ + jump_s * HZ, from_s=START_S + 10)
    times = run(before + after)
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert all(0.09 < step < 0.2 for step in steps)
    assert times[-1] == pytest.approx(START_S + 19.9, abs=0.2)


def test_frames_in_decoding_order_neither_go_back_nor_make_it_run_fast() -> None:
    order = [n + shift for n in range(0, 600, 3) for shift in (3, 1, 2)]
    times = run([(n * 9000, START_S + i / 10) for i, n in enumerate(order)])
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(60.0, abs=0.5)


@pytest.mark.parametrize("step_s", [-3600.0, -6.0])
def test_a_wall_clock_that_steps_back_does_not_freeze_it(step_s: float) -> None:
    times = run(stream(10) + stream(10, from_rtp=10 * HZ, from_s=START_S + 10 + step_s))
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert min(steps) >= 0
    assert sum(step > 0 for step in steps) >= len(steps) - 1
    assert times[-1] - times[0] == pytest.approx(19.8, abs=0.2)


def test_drift_is_followed_slowly() -> None:
    fast = [(round(i * 9000 * 1.001), START_S + i / 10) for i in range(10 * 600)]
    times = run(fast)
    assert times[-1] == pytest.approx(START_S + 599.9, abs=0.1)


def test_a_sane_sender_report_before_the_first_frame_sets_the_clock() -> None:
    clock = FrameClock(HZ).report(START_S - 0.3, 2 * HZ, START_S)
    burst = [(i * 9000, START_S + 0.01) for i in range(20)]
    times = run(burst, clock)
    assert times[0] == pytest.approx(START_S - 2.3)
    assert times[-1] == pytest.approx(START_S - 0.4, abs=0.05)


def test_a_late_burst_after_a_gap_keeps_the_times_of_its_frames() -> None:
    held = [(rtp, max(at_s, START_S + 7.0)) for rtp, at_s in stream(10)]
    times = run([(0, START_S), *held[1:]])
    assert times[60] == pytest.approx(START_S + 6.0, abs=0.1)
    assert times[-1] == pytest.approx(START_S + 9.9, abs=0.1)


def test_a_stream_at_a_wrong_rate_is_brought_back_to_arrival() -> None:
    fast = [(i * 18_000, START_S + i / 10) for i in range(1000)]
    times = run(fast)
    assert times == sorted(times)
    assert all(-1 < time_s - START_S - i / 10 < 16 for i, time_s in enumerate(times))


def test_a_camera_that_does_not_know_the_time_is_not_believed() -> None:
    clock = FrameClock(HZ)
    assert clock.report(0.0, 5, START_S) == clock
    assert run([(7, START_S)], clock.report(START_S + 3600, 5, START_S)) == [START_S]


def test_a_later_report_is_approached_without_a_leap() -> None:
    clock = FrameClock(HZ)
    for rtp, arrival_s in stream(10):
        clock = clock.tick(rtp, arrival_s)
    before_s = clock.at_s
    clock = clock.report(START_S + 9.9 - 2, round(9.9 * HZ), START_S + 9.9)
    clock = clock.tick(10 * HZ, START_S + 10)
    assert clock.at_s - before_s == pytest.approx(0.1, rel=0.02)
    for rtp, arrival_s in stream(300, from_rtp=10 * HZ, from_s=START_S + 10):
        clock = clock.tick(rtp, arrival_s)
    assert clock.at_s == pytest.approx(START_S + 309.9 - 2, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 4e9)), max_size=30))
def test_never_goes_backwards(ticks: list[tuple[int, float]]) -> None:
    times = run(ticks)
    assert times == sorted(times)


def test_ticks_are_the_short_way_round() -> None:
    assert ticks_between(2**32 - 1, 1) == 2
    assert ticks_between(1, 2**32 - 1) == -2
