import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.collector import MAX_UNIT_BYTES, START_CODE, Collector, ParameterSets, Unit, framed
from ingest.rtp import nal_units, payload, sender_report
from ingest.sender import fragments
from models.errors import CameraCorrupt

SPS, PPS, IDR, SLICE, SEI = b"\x67sps", b"\x68pps", b"\x65" + bytes(range(1, 200)), b"\x41slice", b"\x06sei"
CODECS = ["h264", "hevc"]


def packet(data: bytes, sequence: int = 0, rtp: int = 0, marker: bool = False, kind: int = 96, ssrc: int = 7) -> bytes:
    return struct.pack(">BBHII", 0x80, marker << 7 | kind, sequence & 0xFFFF, rtp, ssrc) + data


def feed(collector: Collector, packets: list[bytes]) -> list[Unit]:
    return [unit for one in packets for unit in collector.feed(one)]


@pytest.mark.parametrize("codec", CODECS)
@given(
    st.lists(
        st.tuples(st.sampled_from(["key", "slice", "sets", "lost", "odd", "again"]), st.integers(1, 40)), max_size=30
    ),
    st.integers(5, 4000),
)
def test_packets_passed_over_as_they_lie_give_the_units_that_packets_one_by_one_give(
    codec: str, script: list[tuple[str, int]], chunk: int
) -> None:
    heads = {"key": b"\x7c\x05", "slice": b"\x7c\x01", "sets": SPS, "odd": b"\x06sei"}
    if codec == "hevc":
        heads = {"key": b"\x62\x01\x13", "slice": b"\x62\x01\x01", "sets": b"\x42\x01sps", "odd": b"\x4e\x01sei"}
    packets, sequence = [], 65_500
    for number, (what, count) in enumerate(script):
        sequence += what == "lost"
        for n in range(count):
            body = heads.get(what, heads["slice"]) + bytes([n]) * (n % 7)
            packets.append(packet(body, sequence, number * 3600, marker=n == count - 1 and what != "odd"))
            sequence += what != "again"
    one_by_one, in_runs = Collector(codec, 96), Collector(codec, 96)
    data, rest, units = b"".join(framed(each) for each in packets), b"", []
    for at in range(0, len(data), chunk):
        rest += data[at : at + chunk]
        found, stop = in_runs.take(rest, 0, 0)
        units += found
        rest = rest[stop:]
    assert rest == b""
    expected = feed(one_by_one, packets)
    assert [(u.rtp, u.key, u.learns, u.size_bytes, u.packets()) for u in units] == [
        (u.rtp, u.key, u.learns, u.size_bytes, u.packets()) for u in expected
    ]
    assert (in_runs.lost_packets, in_runs.dropped_packets, in_runs.rtp) == (
        one_by_one.lost_packets,
        one_by_one.dropped_packets,
        one_by_one.rtp,
    )


def test_what_is_not_of_the_channel_or_not_whole_is_left() -> None:
    media = framed(packet(IDR, 1, 100, marker=True))
    for rest in (b"$\x01\x00\x00", b"RTSP/1.0 200 OK", media[:-1], media[:2], b""):
        units, at = Collector("h264", 96).take(media + rest, 0, 0)
        assert ([unit.key for unit in units], at) == ([True], len(media))


def test_payload_leaves_out_csrcs_extension_and_padding() -> None:
    header = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 96, 1, 2, 3)
    extension = struct.pack(">HH", 0xBEDE, 1) + b"extn"
    assert payload(header + bytes(8) + extension + b"video" + b"\0\0\3") == b"video"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x80" * 11,
        b"\x8f" + bytes(11),
        b"\x90" + bytes(11),
        b"\x90" + bytes(13) + b"\xff\xff",
        b"\xa0" + bytes(11) + b"\xff",
    ],
)
def test_a_packet_shorter_than_its_header_says_is_corrupt(broken: bytes) -> None:
    with pytest.raises(CameraCorrupt):
        payload(broken)


def test_units_end_with_the_marker_or_the_next_timestamp() -> None:
    collector = Collector("h264", 96)
    units = feed(
        collector,
        [
            packet(SPS, 1, 100),
            packet(IDR, 2, 100, marker=True),
            packet(SLICE, 3, 200),  # a camera that forgets the marker
            packet(SLICE, 4, 300, marker=True),
        ],
    )
    assert [(unit.rtp, unit.key, len(unit.packets())) for unit in units] == [
        (100, True, 2),
        (200, False, 1),
        (300, False, 1),
    ]


def test_the_sequence_number_wraps_without_loss() -> None:
    collector = Collector("h264", 96)
    units = feed(collector, [packet(IDR if n == 65534 else SLICE, n, n, marker=True) for n in range(65534, 65540)])
    assert len(units) == 6
    assert collector.lost_packets == 0


def test_after_a_loss_everything_is_dropped_up_to_the_next_whole_keyframe() -> None:
    collector = Collector("h264", 96)
    pieces = list(fragments("h264", IDR, 50))
    whole = [packet(piece, n, 100, marker=piece is pieces[-1]) for n, piece in enumerate(pieces)]
    n = len(whole)
    after = [
        packet(SLICE, n + 1, 200, marker=True),  # n is lost
        packet(SLICE, n + 2, 300, marker=True),
        packet(pieces[-1], n + 4, 400, marker=True),  # the head of a keyframe is lost
        packet(SLICE, n + 5, 500, marker=True),
        packet(IDR, n + 6, 600, marker=True),
        packet(SLICE, n + 7, 700, marker=True),
    ]
    assert [unit.rtp for unit in feed(collector, whole + after)] == [100, 600, 700]
    assert collector.lost_packets == 2
    assert collector.dropped_packets == 4


def test_repeated_and_late_packets_and_other_payload_types_change_nothing() -> None:
    collector = Collector("h264", 96)
    first, second = packet(IDR, 1, 100), packet(IDR, 2, 100, marker=True)
    units = feed(collector, [first, first, packet(b"metadata", 900, 5, kind=107), second, first])
    assert [len(unit.packets()) for unit in units] == [2]
    assert collector.lost_packets == 0


def test_another_sender_on_the_channel_begins_anew() -> None:
    collector = Collector("h264", 96)
    feed(collector, [packet(IDR, 1, 100, marker=True)])
    assert feed(collector, [packet(SLICE, 500, 9, marker=True, ssrc=8), packet(IDR, 501, 10, marker=True, ssrc=8)])[
        0
    ].key


def test_a_picture_without_end_is_corrupt() -> None:
    collector = Collector("h264", 96)
    with pytest.raises(CameraCorrupt, match=str(MAX_UNIT_BYTES)):
        feed(collector, [packet(bytes(60_000), n, 1) for n in range(200)])
    with pytest.raises(CameraCorrupt):
        feed(Collector("h264", 96), [packet(b"\x41", n, 1) for n in range(20_000)])


@pytest.mark.parametrize("codec", CODECS)
@given(st.lists(st.binary(min_size=3, max_size=300), min_size=1, max_size=5), st.integers(10, 100))
def test_fragments_are_put_together_again(codec: str, bodies: list[bytes], size: int) -> None:
    header = b"\x65" if codec == "h264" else b"\x26\x01"
    nals = [header + body for body in bodies]
    packets = [packet(piece) for nal in nals for piece in fragments(codec, nal, size)]
    assert nal_units(codec, packets) == nals


@pytest.mark.parametrize(("codec", "head"), [("h264", b"\x78"), ("hevc", b"\x60\x01")])
def test_aggregates_are_taken_apart_and_seen_as_keyframes(codec: str, head: bytes) -> None:
    nals = [SPS, PPS, IDR] if codec == "h264" else [b"\x40\x01vps", b"\x42\x01sps", b"\x26\x01idr"]
    data = head + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)
    assert nal_units(codec, [packet(data)]) == nals
    assert feed(Collector(codec, 96), [packet(data, marker=True)])[0].key


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x7c\x05tail"],
        [b"\x7c\x85head"],
        [b"\x7c\x85head", b"\x7c\x85head again"],
        [b"\x7c\x85head", SLICE],
        [b"\x7c"],
        [b"\x78\x00\x09cut"],
        [b"\x79interleaved"],
        [b""],
    ],
)
def test_damaged_packing_is_corrupt(pieces: list[bytes]) -> None:
    with pytest.raises(CameraCorrupt):
        nal_units("h264", [packet(piece) for piece in pieces])


@pytest.mark.parametrize("codec", CODECS)
@given(st.lists(st.binary(max_size=60), max_size=12), st.booleans())
def test_only_camera_errors_escape_from_hostile_packets(codec: str, packets: list[bytes], framed: bool) -> None:
    collector, sets = Collector(codec, 96), ParameterSets(codec)
    for n, data in enumerate(packets):
        try:
            sender_report(data)
            for unit in collector.feed(packet(data, n, n // 3) if framed else data):
                sets.learn(unit)
                sets.annexb(unit)
        except CameraCorrupt:
            continue


def unit(*nals: bytes) -> Unit:
    runs = tuple(framed(packet(nal, n)) for n, nal in enumerate(nals))
    return Unit(0, runs, sum(map(len, runs)), True)


def test_a_keyframe_gets_the_parameter_sets_of_the_description() -> None:
    assert ParameterSets("h264", [SPS, PPS]).annexb(unit(SEI, IDR)) == START_CODE.join([b"", SPS, PPS, IDR])


def test_parameter_sets_in_the_stream_replace_those_of_the_description() -> None:
    sets = ParameterSets("h264", [SPS, PPS])
    assert sets.annexb(unit(b"\x67new", b"\x68new", IDR)) == START_CODE.join([b"", b"\x67new", b"\x68new", IDR])
    assert b"new" in sets.annexb(unit(IDR))


def test_parameter_sets_sent_on_their_own_are_remembered() -> None:
    sets = ParameterSets("h264")
    with pytest.raises(CameraCorrupt, match="parameter sets"):
        sets.annexb(unit(IDR))
    sets.learn(unit(SPS, PPS))
    assert sets.annexb(unit(IDR)) == START_CODE.join([b"", SPS, PPS, IDR])


def test_sender_report_gives_unix_seconds() -> None:
    body = struct.pack(">BBHIIIIII", 0x80, 200, 6, 7, 2_208_988_800 + 1000, 2**31, 4711, 0, 0)
    report = sender_report(body)
    assert report is not None
    assert (report.ntp_unix_s, report.rtp) == (1000.5, 4711)
    assert sender_report(body[:19]) is None
    assert sender_report(b"\x81\xc9" + bytes(30)) is None
