from ingest.collector import Unit
from ingest.ring import Ring

START_S = 1_790_000_000.0


def unit(key: bool = False, size: int = 100) -> Unit:
    return Unit(0, (bytes(size),), size, key)


def fill(ring: Ring, seconds: int, gop_s: int = 2, fps: int = 5, size: int = 100) -> None:
    for i in range(seconds * fps):
        ring.append(START_S + i / fps, unit(i % (gop_s * fps) == 0, size))


def keyframes_s(ring: Ring) -> list[float]:
    return [kept.at_s for kept in ring.since(0) if kept.unit.key]


def test_keeps_whole_groups_that_cover_the_seconds_asked_for() -> None:
    ring = Ring(keep_s=5.0, max_bytes=10**6)
    fill(ring, 20)
    assert keyframes_s(ring) == [START_S + 14, START_S + 16, START_S + 18]
    assert next(ring.since(0)).at_s == START_S + 14
    assert ring.size_bytes == 30 * 100
    assert ring.dropped_units == 0


def test_a_clip_begins_with_the_keyframe_before_its_time() -> None:
    ring = Ring(keep_s=5.0, max_bytes=10**6)
    fill(ring, 20)
    kept = list(ring.since(START_S + 17.3))
    assert kept[0].unit.key
    assert (kept[0].at_s, kept[-1].at_s) == (START_S + 16, START_S + 19.8)


def test_bytes_bound_it_and_it_says_what_it_drops() -> None:
    ring = Ring(keep_s=60.0, max_bytes=2500)
    fill(ring, 20)
    assert ring.size_bytes <= 2500
    assert keyframes_s(ring)[-1] == START_S + 18
    assert ring.dropped_units == 100 - sum(1 for _ in ring.since(0))


def test_a_group_too_large_for_it_is_cut_at_its_end_not_at_its_keyframe() -> None:
    ring = Ring(keep_s=5.0, max_bytes=1000)
    fill(ring, 10, gop_s=10)
    kept = list(ring.since(0))
    assert kept[0].unit.key
    assert len(kept) == 10
    assert ring.dropped_units == 40
    ring.append(START_S + 10, unit(key=True))
    assert keyframes_s(ring) == [START_S + 10]


def test_a_keyframe_larger_than_the_ring_leaves_it_empty() -> None:
    ring = Ring(keep_s=5.0, max_bytes=1000)
    ring.append(START_S, unit(key=True, size=2000))
    ring.append(START_S + 1, unit())
    assert list(ring.since(0)) == []
    assert ring.size_bytes == 0
    assert ring.dropped_units == 2


def test_what_comes_before_the_first_keyframe_is_not_kept() -> None:
    ring = Ring(keep_s=5.0, max_bytes=1000)
    ring.append(START_S, unit())
    assert list(ring.since(0)) == []
    assert ring.dropped_units == 1
