"""SDP (RFC 4566) as cameras write it: the first video track that we can decode, and where to set it up."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Literal

from models.errors import CameraCorrupt, CameraNoVideo

Codec = Literal["h264", "hevc"]

MAX_SDP_BYTES = 64 * 1024
_CODECS: dict[str, Codec] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
_SPROPS = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")


@dataclass(frozen=True)
class Media:
    """A video track. ``path`` and ``aggregate_path`` (path and query, no host) are what SETUP and PLAY name.

    ``parameter_sets`` are NAL units from the SDP (SPS, PPS; VPS too for H.265), without start codes; often empty.
    """

    codec: Codec
    payload_type: int
    clock_hz: int
    path: str
    aggregate_path: str
    parameter_sets: tuple[bytes, ...] = ()


@dataclass
class _Track:
    """An m=video block while it is being read."""

    payload_types: list[int]
    names: dict[int, tuple[str, int]]
    formats: dict[int, str]
    control: str = "*"


def parse_sdp(body: bytes, base_path: str) -> Media:
    """The first H.264 or H.265 track of a description found at ``base_path``.

    Raises CameraNoVideo if there is none, CameraCorrupt for what is no SDP.
    """
    if len(body) > MAX_SDP_BYTES:
        raise CameraCorrupt(f"the description is larger than {MAX_SDP_BYTES} bytes")
    lines = body.decode("utf-8", "replace").splitlines()
    if not any(line.startswith("v=") for line in lines[:2]):
        raise CameraCorrupt("the description is no SDP: check that this port and path are the camera's RTSP stream")
    session_control, tracks = _read(lines)
    seen: list[str] = []
    for track in tracks:
        for payload_type in track.payload_types:
            name, clock_hz = track.names.get(payload_type, ("an unnamed codec", 0))
            if name in _CODECS:
                if not 1000 <= clock_hz <= 10_000_000:
                    raise CameraCorrupt(f"the description gives a clock of {clock_hz} Hz for its video")
                aggregate = resolve(base_path, session_control)
                return Media(
                    codec=_CODECS[name],
                    payload_type=payload_type,
                    clock_hz=clock_hz,
                    # Relative to what the answer called its base, not to the session's control: as players do it.
                    path=resolve(base_path, track.control),
                    aggregate_path=aggregate,
                    parameter_sets=_parameter_sets(track.formats.get(payload_type, "")),
                )
            seen.append(name[:20])
    if seen:
        raise CameraNoVideo(f"the stream's video is {', '.join(seen[:4])}: set the camera to H.264 or H.265")
    raise CameraNoVideo("the stream has no video track: choose a path of the camera that carries video")


def resolve(base_path: str, control: str) -> str:
    """Path and query for a control attribute: absolute (its host is ignored), from the root, relative or ``*``.

    A relative one is appended, not merged by RFC 3986, since bases with a query ("?channel=1") expect that.
    Raises CameraCorrupt for a control that no request line can hold.
    """
    if len(control) > 2048 or not control.isprintable() or " " in control:
        raise CameraCorrupt("the description names a track by something that is no address")
    absolute = re.match(r"rtsps?(?:u)?://[^/?]*(.*)", control, re.IGNORECASE)
    if absolute:
        path = absolute.group(1)
        return path if path.startswith("/") else "/" + path
    if control in ("", "*"):
        return base_path
    if control.startswith("/"):
        return control
    return base_path + ("" if base_path.endswith("/") else "/") + control


def _read(lines: list[str]) -> tuple[str, list[_Track]]:
    """The session's control attribute and all video tracks."""
    session_control, tracks = "*", list[_Track]()
    track: _Track | None = None
    in_session = True
    for line in lines:
        key, _, value = line.strip().partition("=")
        if key == "m":
            in_session = False
            fields = value.split()
            track = None
            if len(fields) >= 4 and fields[0] == "video":
                track = _Track([int(f) for f in fields[3:] if re.fullmatch(r"[0-9]{1,3}", f)], {}, {})
                tracks.append(track)
        elif key == "a" and value.startswith("control:"):
            control = value.removeprefix("control:").strip()
            if track:
                track.control = control
            elif in_session:
                session_control = control
        elif key == "a" and track:
            _attribute(track, value)
    return session_control, tracks


def _attribute(track: _Track, value: str) -> None:
    if match := re.match(r"rtpmap:\s*([0-9]{1,3})\s+([^/\s]+)/([0-9]{1,9})", value):
        track.names[int(match[1])] = (match[2].upper(), int(match[3]))
    elif match := re.match(r"fmtp:\s*([0-9]{1,3})\s+(.*)", value):
        track.formats[int(match[1])] = match[2]


def _parameter_sets(fmtp: str) -> tuple[bytes, ...]:
    """The NAL units of sprop-*. Unreadable ones are left out: most cameras send them in the stream as well."""
    given = {}
    for item in fmtp.split(";"):
        name, _, value = item.strip().partition("=")
        given[name.lower()] = value
    found = []
    for name in _SPROPS:
        for text in given.get(name, "").split(","):
            try:
                found.append(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
            except (binascii.Error, ValueError):
                continue
    return tuple(nal for nal in found if nal)
