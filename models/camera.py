"""Camera points: where a camera stands, what it looks at, and how it is reached."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from models.errors import CameraUrlInvalid, InvalidInput
from models.geo import ControlPoint, GeoPoint
from models.hours import Hours, hours_from_json, hours_to_json
from models.vision import Levels, Vision, levels_to_json

DEFAULT_PORT = {"rtsp": 554, "rtsps": 322}
"""RFC 2326 and RFC 7826."""

_PASSWORD_IN_TARGET = re.compile(r"(?i)(?:^|[^a-z])(?:pass|passwd|password|psw|pwd|authbasic)=")


@dataclass(frozen=True)
class Credentials:
    """A user name and password. Never printed."""

    username: str
    password: str = field(repr=False)

    def __repr__(self) -> str:
        return "Credentials(***)"

    __str__ = __repr__


@dataclass(frozen=True)
class SourceUrl:
    """Where a camera's stream is: a parsed RTSP address with its credentials kept apart.

    ``str()``, ``repr()`` and ``shown`` never hold the user name or password.
    """

    scheme: str
    host: str
    port: int
    target: str
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, text: str) -> "SourceUrl":
        """Raises CameraUrlInvalid with a sentence that names the fault and never repeats the text."""
        if len(text) > 2048:
            raise CameraUrlInvalid("the camera address is longer than 2048 characters")
        if any(ord(c) <= 32 or ord(c) == 127 for c in text):
            raise CameraUrlInvalid("the camera address holds spaces or control characters")
        try:
            parts = urlsplit(text)
            port = parts.port
            host = parts.hostname
        except ValueError:
            raise CameraUrlInvalid("the camera address has a host or port that cannot be read") from None
        if parts.scheme not in DEFAULT_PORT:
            raise CameraUrlInvalid("the camera address must begin with rtsp:// or rtsps://")
        if not host or not re.fullmatch(r"[0-9A-Za-z._:\-]{1,253}", host):
            raise CameraUrlInvalid("the camera address names no host, or one with characters that no host has")
        if port == 0:
            raise CameraUrlInvalid("port 0 is no port")
        if "@" in parts.path + parts.query + parts.fragment:
            # "rtsp://admin:12/34@host/" reads as host "admin", port 12: the password would be stored and shown.
            raise CameraUrlInvalid(
                "the camera address holds an '@' behind its host: in a user name or password write '/', '?', '#' and "
                "'@' as %2F, %3F, %23 and %40; in a path write '@' as %40"
            )
        credentials = None
        if parts.username is not None:
            credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if _PASSWORD_IN_TARGET.search(unquote(target)):
            raise CameraUrlInvalid(
                "the camera address holds a password in its path or query, where it would be stored and shown: "
                "give user name and password apart, as rtsp://user:password@host/…"
            )
        return cls(parts.scheme, host, port or DEFAULT_PORT[parts.scheme], target, credentials)

    @property
    def shown(self) -> str:
        """The address without user name and password: what is sent on the wire, stored, logged and shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.target}"

    def __repr__(self) -> str:
        return f"SourceUrl({self.shown})"

    def __str__(self) -> str:
        return self.shown


_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        # Alibaba Cloud; Azure; Oracle Cloud; AWS (instances, EKS pods); Google Cloud. Others are link-local.
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
"""Where clouds answer their machines with credentials."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""


def _reached(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that is reached in the end: what an IPv6 address stands for, if it stands for an IPv4 one."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


@dataclass(frozen=True)
class AllowedNetworks:
    """Networks that cameras may be on.

    Loopback and link-local count only where listed themselves, the metadata address of a cloud only by itself.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def parse(cls, text: str) -> "AllowedNetworks":
        """From a comma-separated list of CIDR networks. Raises InvalidInput."""
        try:
            return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as error:
            raise InvalidInput(f"not a network: {error}") from None

    def __str__(self) -> str:
        """What ``parse`` reads."""
        return ",".join(map(str, self.networks))

    def allows(self, address: str) -> bool:
        ip = _reached(ipaddress.ip_address(address))
        if ip in _METADATA:
            return any(ip in network and network.num_addresses == 1 for network in self.networks)
        if ip.is_multicast or ip.is_unspecified:
            return False
        guarded = ip.is_loopback or ip.is_link_local
        return any(
            ip in network and (not guarded or network.is_loopback or network.is_link_local)
            for network in self.networks
            if network.version == ip.version
        )


@dataclass(frozen=True)
class Shared:
    """What the zones of many cameras share: levels by kind, those of the night, hours."""

    levels: Levels = field(default_factory=dict)
    night_levels: Levels = field(default_factory=dict)
    hours: Hours | None = None


Line = tuple[tuple[float, float], tuple[float, float]]
"""From point to point, picture fractions."""
SHORTEST_LINE = 0.01


@dataclass(frozen=True)
class Zone:
    """A part of the picture that rules watch: a polygon of picture fractions (x right, y down, 0..1).

    ``levels`` overrides parameters per incident kind: {"crowding": {"enter_persons": 8.0}}, ``night_levels`` those in
    turn in the camera's night. ``hours``: when it is watched; None is always. ``template``: the code of a zone
    template, which says what the zone itself does not; ``shared``: what it says, once the registry has looked it up.
    ``preset``: the token of the camera's preset that the polygon is drawn in; None is its home view.
    """

    id: str
    name: str
    polygon: tuple[tuple[float, float], ...]
    kinds: tuple[str, ...]
    levels: Levels = field(default_factory=dict)
    hours: Hours | None = None
    night_levels: Levels = field(default_factory=dict)
    template: str | None = None
    shared: Shared | None = None
    line: Line | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", self.id):
            raise InvalidInput("a zone's id is 1 to 40 letters, digits, - or _")
        if self.template is not None:
            check_template_code(self.template)
        if not 3 <= len(self.polygon) <= 100:
            raise InvalidInput(f"zone {self.id}: a polygon has 3 to 100 corners, not {len(self.polygon)}")
        if not all(math.isfinite(v) and 0 <= v <= 1 for corner in self.polygon for v in corner):
            raise InvalidInput(f"zone {self.id}: corners are fractions of the picture, 0 to 1")
        if self.line is not None:
            _check_line(self.id, self.line)
        if not self.kinds:
            raise InvalidInput(f"zone {self.id}: name at least one incident kind to watch for")
        if len(set(self.kinds)) != len(self.kinds):
            raise InvalidInput(f"zone {self.id}: each incident kind is named once")


def _check_line(zone_id: str, line: Line) -> None:
    (x1, y1), (x2, y2) = line
    if not all(math.isfinite(v) and 0 <= v <= 1 for v in (x1, y1, x2, y2)):
        raise InvalidInput(f"zone {zone_id}: the ends of its line are fractions of the picture, 0 to 1")
    if math.hypot(x2 - x1, y2 - y1) < SHORTEST_LINE:
        raise InvalidInput(f"zone {zone_id}: its line is too short to be crossed: draw it across the gate's way")


def check_template_code(code: str) -> None:
    """Raises InvalidInput."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._\-]{0,63}", code):
        raise InvalidInput(
            "a zone template's code is 1 to 64 letters, digits, '.', '-' or '_', a letter or digit first"
        )


@dataclass(frozen=True)
class CameraPoint:
    """A registered camera. ``place`` is where it stands; ``purpose`` is why it may be watched; ``upstream`` the
    switch or recorder without which it is dark; ``vision`` how it is to be looked at."""

    id: str
    code: str
    name: str
    place: GeoPoint
    source: SourceUrl = field(repr=False)
    purpose: str
    grid_code: str | None
    zones: tuple[Zone, ...] = ()
    control_points: tuple[ControlPoint, ...] = ()
    enabled: bool = True
    version: int = 1
    site: str | None = None
    upstream: str | None = None
    vision: Vision = field(default_factory=Vision)


def zone_at(camera: CameraPoint, zone: Zone, at_s: float) -> Zone:
    """The zone with the levels that hold at that moment, Unix seconds, and its hours."""
    night = camera.vision.night
    return zone_with_levels(camera, zone, is_night=night is not None and night.hold_at(at_s))


def zone_with_levels(camera: CameraPoint, zone: Zone, *, is_night: bool) -> Zone:
    """Precedence: zone over template over camera over kind; at each, what is said of the night over the rest, at night.
    The zone's own hours go before the template's."""
    vision, shared = camera.vision, zone.shared or Shared()
    said = [vision.levels, vision.night_levels, shared.levels, shared.night_levels, zone.levels, zone.night_levels]
    holding = said if is_night else said[::2]
    levels = {kind: _joined(kind, holding) for kind in zone.kinds}
    return replace(zone, levels=levels, night_levels={}, hours=zone.hours or shared.hours, shared=None)


def _joined(kind: str, said: list[Levels]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for levels in said:
        own = levels.get(kind, {})
        # Whoever says only where it begins does not mean it to end at another place's level.
        for name in own:
            found.pop(name.replace("enter_", "leave_", 1), None)
        found |= own
    return found


def zone_to_json(zone: Zone) -> dict[str, Any]:
    """Without what is not set of hours, night, template, line and preset."""
    told = {
        "hours": None if zone.hours is None else hours_to_json(zone.hours),
        "night_levels": levels_to_json(zone.night_levels),
        "template": zone.template,
        "shared": None if zone.shared is None else shared_to_json(zone.shared),
        "line": None if zone.line is None else [list(end) for end in zone.line],
        "preset": zone.preset,
    }
    return {name: value for name, value in told.items() if value} | {
        "id": zone.id,
        "name": zone.name,
        "polygon": [list(corner) for corner in zone.polygon],
        "kinds": list(zone.kinds),
        "levels": levels_to_json(zone.levels),
    }


def zone_from_json(data: Mapping[str, Any]) -> Zone:
    return Zone(
        id=data["id"],
        name=data["name"],
        polygon=tuple((float(x), float(y)) for x, y in data["polygon"]),
        kinds=tuple(data["kinds"]),
        levels=data.get("levels", {}),
        hours=hours_from_json(data["hours"]) if data.get("hours") else None,
        night_levels=data.get("night_levels") or {},
        template=data.get("template"),
        shared=shared_from_json(data["shared"]) if data.get("shared") else None,
        line=_line(data["line"]) if data.get("line") else None,
        preset=data.get("preset"),
    )


def _line(data: Any) -> Line:
    (x1, y1), (x2, y2) = data
    return ((float(x1), float(y1)), (float(x2), float(y2)))


def shared_to_json(shared: Shared) -> dict[str, Any]:
    return {
        "levels": levels_to_json(shared.levels),
        "night_levels": levels_to_json(shared.night_levels),
        "hours": None if shared.hours is None else hours_to_json(shared.hours),
    }


def shared_from_json(data: Mapping[str, Any]) -> Shared:
    """Raises as ``hours_from_json`` does; which levels there are, whoever stores it checks."""
    hours = data["hours"]
    return Shared(data["levels"], data["night_levels"], None if hours is None else hours_from_json(hours))
