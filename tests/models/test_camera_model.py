"""Camera addresses and networks: hostile text, secrets that never show, and what may be connected to."""

import ipaddress
import json
import traceback
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.camera import (
    AllowedNetworks,
    CameraPoint,
    Credentials,
    Shared,
    SourceUrl,
    Zone,
    zone_at,
    zone_from_json,
    zone_to_json,
)
from models.errors import CameraUrlInvalid, InvalidInput
from models.geo import ControlPoint, GeoPoint
from models.hours import Hours
from models.presets import control_point_from_json, control_point_to_json
from models.vision import Vision

SECRET = "s3cr3t"


def test_an_address_is_taken_apart() -> None:
    url = SourceUrl.parse("rtsp://view%40er:p%3A%2Fw@cam.example:8554/ch1/main?profile=2")
    assert (url.scheme, url.host, url.port, url.target) == ("rtsp", "cam.example", 8554, "/ch1/main?profile=2")
    assert url.credentials == Credentials("view@er", "p:/w")
    assert url.shown == "rtsp://cam.example:8554/ch1/main?profile=2"


def test_ports_and_paths_have_defaults() -> None:
    assert SourceUrl.parse("rtsp://10.0.0.1").shown == "rtsp://10.0.0.1:554/"
    assert SourceUrl.parse("rtsps://[fd00::1]/a").shown == "rtsps://[fd00::1]:322/a"
    assert SourceUrl.parse("rtsp://10.0.0.1").credentials is None


def test_what_is_shown_parses_to_the_same_address() -> None:
    for text in ("rtsp://10.0.0.1", "rtsps://[fd00::1]:9/a?b=c", "rtsp://CAM.example/x"):
        url = SourceUrl.parse(text)
        assert SourceUrl.parse(url.shown) == url


def test_no_form_of_an_address_shows_its_credentials() -> None:
    url = SourceUrl.parse(f"rtsp://viewer:{SECRET}@10.0.0.1/ch1")
    point = CameraPoint("id", "code", "name", GeoPoint(1, 2), url, "purpose", "A")
    for shown in (repr(url), str(url), f"{url}", url.shown, repr(url.credentials), str(url.credentials), repr(point)):
        assert SECRET not in shown
        assert "viewer" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1",
        "//10.0.0.1/a",
        f"http://viewer:{SECRET}@10.0.0.1/a",
        f"exec:cat /etc/passwd #{SECRET}",
        f"file:///etc/{SECRET}",
        f"rtsp:viewer:{SECRET}@10.0.0.1",
        f"rtsp://viewer:{SECRET}@",
        f"rtsp://viewer:{SECRET}@:554/",
        f"rtsp://viewer:{SECRET}@10.0.0.1:99999/",
        f"rtsp://viewer:{SECRET}@10.0.0.1:0/",
        f"rtsp://viewer:{SECRET}@10.0.0.1:port/",
        f"rtsp://viewer:{SECRET}@[fd00::1/",
        f"rtsp://viewer:{SECRET}@10.0.0.1/a b",
        f"rtsp://viewer:{SECRET}@10.0.0.1/a\r\nRTSP/1.0 {SECRET}",
        f"rtsp://viewer:{SECRET}@10.0.0.1/\x00",
        f"rtsp://viewer:{SECRET}@摄像机.example/",
        f"rtsp://viewer:{SECRET}@$(reboot)/",
        "rtsp://10.0.0.1/" + SECRET * 1000,
        f"rtsp://10.0.0.1/user=admin&password={SECRET}&channel=1",
        f"rtsp://10.0.0.1/live?user=a&PWD={SECRET}",
        f"rtsp://10.0.0.1/live?p%61ss={SECRET}",
        f"rtsp://10.0.0.1/cam/realmonitor?channel=1&authbasic={SECRET}",
        f"rtsp://admin:12/{SECRET}@10.0.0.1/ch1",
        f"rtsp://admin:12?{SECRET}@10.0.0.1/ch1",
        f"rtsp://admin:12#{SECRET}@10.0.0.1/ch1",
        f"rtsp://admin:p@{SECRET}/w@10.0.0.1/ch1",
    ],
    ids=lambda text: text[:40].encode("ascii", "backslashreplace").decode(),
)
def test_hostile_addresses_are_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(CameraUrlInvalid) as caught:
        SourceUrl.parse(text)
    told = "".join(traceback.format_exception_only(caught.value))
    assert SECRET not in told
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=60), st.sampled_from(["", "rtsp://", "rtsp://a:b@", "rtsps://["]))
def test_any_text_is_an_address_or_refused(text: str, before: str) -> None:
    try:
        url = SourceUrl.parse(before + text)
    except CameraUrlInvalid:
        return
    assert SourceUrl.parse(url.shown).target == url.target
    assert not any(ord(c) <= 32 for c in url.target)


ORDINARY = AllowedNetworks.parse("10.0.0.0/8, 192.168.0.0/16,fc00::/7")
EVERYTHING = AllowedNetworks.parse("0.0.0.0/0,::/0")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("192.168.255.255", True),
        ("fd12::1", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("::ffff:11.0.0.1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("fd00:ec2::254", False),
        ("64:ff9b::10.1.2.3", True),
        ("64:ff9b::11.0.0.1", False),
        ("2002:a01:203::1", True),
    ],
)
def test_which_addresses_cameras_may_have(address: str, allowed: bool) -> None:
    assert ORDINARY.allows(address) is allowed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",  # noqa: S104
        "::",
        "ff02::1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "100.100.100.200",
        "168.63.129.16",
        "fd20:ce::254",
    ],
)
def test_a_wide_network_does_not_open_the_guarded_ones(address: str) -> None:
    assert EVERYTHING.allows("8.8.8.8")
    assert not EVERYTHING.allows(address)


def test_loopback_counts_where_it_is_named() -> None:
    named = AllowedNetworks.parse("127.0.0.1/32,169.254.0.0/16")
    assert named.allows("127.0.0.1")
    assert named.allows("::ffff:127.0.0.1")
    assert named.allows("169.254.1.1")
    assert not named.allows("127.0.0.2")
    assert not named.allows("::1")
    assert not named.allows("10.0.0.1")


def test_a_clouds_metadata_counts_only_where_it_is_named_alone() -> None:
    assert not AllowedNetworks.parse("100.64.0.0/10").allows("100.100.100.200")
    assert AllowedNetworks.parse("100.64.0.0/10").allows("100.100.100.201")
    assert AllowedNetworks.parse("100.100.100.200/32").allows("100.100.100.200")


@given(st.ip_addresses())
def test_no_list_allows_what_no_camera_has(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local:
        assert not EVERYTHING.allows(str(address))
    assert not AllowedNetworks.parse("").allows(str(address))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "everywhere", "10.0.0.0/8;11.0.0.0/8"])
def test_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a network"):
        AllowedNetworks.parse(text)


TRIANGLE = ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))


@pytest.mark.parametrize(
    ("zone_id", "polygon", "kinds"),
    [
        ("", TRIANGLE, ("crowding",)),
        ("a b", TRIANGLE, ("crowding",)),
        ("z" * 41, TRIANGLE, ("crowding",)),
        ("../z", TRIANGLE, ("crowding",)),
        ("z", TRIANGLE[:2], ("crowding",)),
        ("z", TRIANGLE * 34, ("crowding",)),
        ("z", ((0.0, 0.0), (1.1, 0.0), (0.5, 1.0)), ("crowding",)),
        ("z", ((0.0, 0.0), (float("nan"), 0.0), (0.5, 1.0)), ("crowding",)),
        ("z", TRIANGLE, ()),
    ],
)
def test_zones_that_cannot_be_watched_are_refused(
    zone_id: str, polygon: tuple[tuple[float, float], ...], kinds: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput):
        Zone(zone_id, "zone", polygon, kinds)


def test_zones_and_control_points_survive_json() -> None:
    zone = Zone("z-1", "广场", TRIANGLE, ("crowding",), {"crowding": {"enter_persons": 8.0}})
    assert zone_from_json(zone_to_json(zone)) == zone
    point = ControlPoint(0.25, 0.75, GeoPoint(109.1, 32.6))
    assert control_point_from_json(control_point_to_json(point)) == point


def test_a_zone_goes_before_its_template_and_that_before_the_camera() -> None:
    def say(**levels: float) -> dict[str, dict[str, float]]:
        return {"crowding": levels}

    vision = Vision(
        levels=say(a=1.0, b=1.0, c=1.0, d=1.0), night=NIGHT, night_levels=say(a=2.0, b=2.0, c=2.0, d=2.0, e=2.0)
    )
    evening = Hours(((18 * 60, 23 * 60),))
    shared = Shared(say(b=3.0, c=3.0, d=3.0), say(c=4.0, d=4.0) | {"intrusion": {"dwell_s": 1.0}}, evening)
    zone = Zone("z", "z", TRIANGLE, ("crowding",), say(d=5.0), None, {}, "square-evening", shared)
    source = SourceUrl.parse("rtsp://camera/1")
    camera = CameraPoint("id", "code", "name", GeoPoint(1, 2), source, "purpose", "A", zones=(zone,), vision=vision)
    day, night = zone_at(camera, zone, NOON_S), zone_at(camera, zone, MIDNIGHT_S)
    assert day.levels == say(a=1.0, b=3.0, c=3.0, d=5.0)
    assert night.levels == say(a=2.0, b=3.0, c=4.0, d=5.0, e=2.0)
    assert day.hours == evening
    own = Hours(((6 * 60, 9 * 60),))
    assert zone_at(camera, replace(zone, hours=own), NOON_S).hours == own
    assert zone_from_json(json.loads(json.dumps(zone_to_json(zone)))) == zone


@pytest.mark.parametrize("code", ["", "a b", "../x", "-a", "z" * 65, "广场", "a\n"])
def test_codes_that_no_template_has_are_refused(code: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 64 letters"):
        Zone("z", "zone", TRIANGLE, ("crowding",), template=code)


NIGHT = Hours(((19 * 60, 6 * 60),))
NOON_S, MIDNIGHT_S = 1_800_000_000.0 - 4 * 3600, 1_800_000_000.0 + 7 * 3600
"""12:00 and 23:00 in Shanghai, 2027-01-15."""


def test_zone_goes_before_camera_and_night_before_day_at_night() -> None:
    vision = Vision(
        levels={"crowding": {"enter_persons": 10.0, "dwell_s": 10.0, "leave_s": 10.0}},
        night=NIGHT,
        night_levels={"crowding": {"enter_persons": 11.0, "leave_s": 11.0}, "intrusion": {"dwell_s": 1.0}},
    )
    levels = {"crowding": {"enter_persons": 12.0}}
    zone = Zone("z", "z", ((0, 0), (1, 0), (1, 1)), ("crowding",), levels, None, {"crowding": {"dwell_s": 13.0}})
    source = SourceUrl.parse("rtsp://camera/1")
    camera = CameraPoint("id", "code", "name", GeoPoint(1, 2), source, "purpose", "A", zones=(zone,), vision=vision)
    day, night = zone_at(camera, zone, NOON_S), zone_at(camera, zone, MIDNIGHT_S)
    assert day.levels == {"crowding": {"enter_persons": 12.0, "dwell_s": 10.0, "leave_s": 10.0}}
    assert night.levels == {"crowding": {"enter_persons": 12.0, "dwell_s": 13.0, "leave_s": 11.0}}
    always_day = replace(camera, vision=replace(vision, night=None))
    assert zone_at(always_day, zone, MIDNIGHT_S).levels == day.levels
    assert zone_from_json(zone_to_json(zone)) == zone


def test_a_nearer_beginning_does_not_end_at_another_places_level() -> None:
    vision = Vision(levels={"crowding": {"enter_persons": 20.0, "leave_persons": 15.0, "dwell_s": 7.0}})
    zone = Zone("z", "z", ((0, 0), (1, 0), (1, 1)), ("crowding",), {"crowding": {"enter_persons": 5.0}})
    source = SourceUrl.parse("rtsp://camera/1")
    camera = CameraPoint("id", "code", "name", GeoPoint(1, 2), source, "purpose", "A", zones=(zone,), vision=vision)
    assert zone_at(camera, zone, 0.0).levels == {"crowding": {"enter_persons": 5.0, "dwell_s": 7.0}}
    both = replace(zone, levels={"crowding": {"enter_persons": 5.0, "leave_persons": 2.0}})
    assert zone_at(camera, both, 0.0).levels["crowding"]["leave_persons"] == 2.0


def test_a_kind_is_named_once_in_a_zone() -> None:
    with pytest.raises(InvalidInput, match="named once"):
        Zone("z", "z", ((0, 0), (1, 0), (1, 1)), ("crowding", "crowding"))
