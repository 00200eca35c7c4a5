"""Settings: read once, into a frozen value. The table in ``docs/settings.md`` is printed from ``VARIABLES``."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.camera import AllowedNetworks
from models.errors import InvalidInput, Misconfigured

PROVIDERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cpu": ("CPUExecutionProvider", "every onnxruntime"),
        "cuda": ("CUDAExecutionProvider", "the package onnxruntime-gpu"),
        "tensorrt": ("TensorrtExecutionProvider", "the package onnxruntime-gpu and NVIDIA's TensorRT"),
        "openvino": ("OpenVINOExecutionProvider", "the package onnxruntime-openvino"),
        "migraphx": ("MIGraphXExecutionProvider", "the package onnxruntime-migraphx"),
        "cann": ("CANNExecutionProvider", "the package onnxruntime-cann"),
        "coreml": ("CoreMLExecutionProvider", "the package onnxruntime on macOS"),
        "directml": ("DmlExecutionProvider", "the package onnxruntime-directml"),
    }
)
"""What models can run on: our name, ONNX Runtime's, and what brings it. A package comes in place of onnxruntime."""


@dataclass(frozen=True)
class Settings:
    """How this installation runs. Every field is one variable of ``VARIABLES``."""

    data: Path
    anchor_dir: Path | None
    database_url: str
    redis_url: str | None
    host: str
    port: int
    camera_networks: AllowedNetworks
    egress_networks: AllowedNetworks
    push_contact: str | None
    zoo: Path | None
    detector: str
    detector_tiles: str
    density_model: str | None
    change_model: str
    face_model: str | None
    providers: tuple[str, ...]
    claim_lease_s: int
    storm_limit: int
    town_level: int
    session_s: int
    photo_max_bytes: int
    deliveries_days: int
    secure_cookies: bool
    tls_cert: Path | None
    tls_key: Path | None
    log_level: str

    @property
    def models(self) -> Mapping[str, str | None]:
        """By use, the zoo entry that is set for it, None where none is."""
        return {
            "detector": self.detector,
            "faces": self.face_model,
            "density": self.density_model,
            "change": self.change_model,
        }

    @property
    def evidence(self) -> Path:
        """Masked pictures, content-addressed."""
        return self.data / "evidence"

    @property
    def anchors(self) -> tuple[Path, ...]:
        """Where the sealed log's positions are noted outside the database."""
        folders = [self.data] if self.anchor_dir is None else [self.data, self.anchor_dir]
        return tuple(folder / "anchors.log" for folder in folders)

    @property
    def spool(self) -> Path:
        """The camera worker's incidents that the ledger has not confirmed yet."""
        return self.data / "spool.db"

    @property
    def key_file(self) -> Path:
        """The key that seals camera credentials: outside the database, in every backup that can restore them."""
        return self.data / "secret.key"

    @property
    def tls(self) -> Path:
        """This installation's own certificate authority and server certificate, if it made them."""
        return self.data / "tls"

    @property
    def video_desk(self) -> Path:
        """The socket on which the camera worker answers for its cameras."""
        return self.data / "run" / "video-desk.sock"


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, unit, default as text, what it is for."""

    name: str
    unit: str
    default: str
    meaning: str


VARIABLES: tuple[Variable, ...] = (
    Variable("WANGGE_DATA", "directory", ".data", "database, evidence, spool, keys, logs"),
    Variable(
        "WANGGE_ANCHOR_DIR", "directory", "", "where the log is anchored a second time, best on another machine's disk"
    ),
    Variable("WANGGE_DATABASE_URL", "URL", "", "empty: SQLite in the data directory; or postgresql+psycopg://…"),
    Variable("WANGGE_REDIS_URL", "URL", "", "empty: the embedded Valkey; or redis://host:port/db"),
    Variable("WANGGE_HOST", "address", "127.0.0.1", "the API listens here"),
    Variable("WANGGE_PORT", "TCP port", "8420", "the API listens here"),
    Variable(
        "WANGGE_CAMERA_NETWORKS",
        "CIDR, comma-separated",
        "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7",
        "networks that cameras may be on; loopback and link-local count only where named",
    ),
    Variable(
        "WANGGE_EGRESS_NETWORKS",
        "CIDR, comma-separated",
        "0.0.0.0/0,::/0",
        "networks that notifications and webhooks may go to; loopback, link-local and private count only where named",
    ),
    Variable(
        "WANGGE_PUSH_CONTACT", "mailto: or https: URL", "", "whom browsers' push services may ask; empty: no web push"
    ),
    Variable("WANGGE_ZOO", "file", "", "empty: the models that ship; or a zoo.toml with your own beside them"),
    Variable("WANGGE_DETECTOR", "name", "nanodet-g-416", "the zoo entry that looks at frames"),
    Variable("WANGGE_DETECTOR_TILES", "columns x rows", "1x1", "looks per frame: more see smaller people, cost more"),
    Variable(
        "WANGGE_DENSITY_MODEL", "name", "", "the zoo entry that counts crowds, a density map; empty: boxes are counted"
    ),
    Variable(
        "WANGGE_CHANGE_MODEL", "name", "change-320k", "the zoo entry that tells what is new before a camera: structures"
    ),
    Variable(
        "WANGGE_FACE_MODEL",
        "name",
        "",
        "the zoo entry that finds faces to mask; empty: heads are masked by bodies alone",
    ),
    Variable(
        "WANGGE_PROVIDERS",
        "names, comma-separated",
        "cpu",
        "what models run on, the first that is there: cpu, cuda, tensorrt, openvino, migraphx, cann, coreml, directml",
    ),
    Variable("WANGGE_CLAIM_LEASE_S", "seconds", "120", "how long a claim holds an offer before it is re-offered"),
    Variable(
        "WANGGE_STORM_LIMIT", "alerts", "3", "of one kind in one town in 10 min; one more folds them into one case"
    ),
    Variable("WANGGE_TOWN_LEVEL", "number", "3", "which level of the grid tree is the town: city 1, county 2, town 3"),
    Variable("WANGGE_SESSION_S", "seconds", "43200", "how long a sign-in lasts"),
    Variable("WANGGE_PHOTO_MAX_BYTES", "bytes", "10485760", "the largest photo that a grid worker may send"),
    Variable("WANGGE_DELIVERIES_DAYS", "days", "90", "how long sent and dropped messages are listed; dead ones a year"),
    Variable("WANGGE_SECURE_COOKIES", "0 or 1", "0", "1 when a proxy ends HTTPS; with HTTPS of our own it is on"),
    Variable(
        "WANGGE_TLS_CERT",
        "PEM file",
        "",
        "certificate chain for HTTPS; empty: what `wangge tls init` made, if any",
    ),
    Variable("WANGGE_TLS_KEY", "PEM file", "", "its private key, without a passphrase"),
    Variable("WANGGE_LOG_LEVEL", "level", "info", "debug, info, warning or error"),
)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """From environment variables. Raises Misconfigured, naming the variable, its value's fault and the fix."""
    known = {variable.name for variable in VARIABLES}
    unknown = sorted(name for name in environ if name.startswith("WANGGE_") and name not in known)
    if unknown:
        raise Misconfigured(f"no such setting: {', '.join(unknown)}; `wangge doctor --settings` lists them all")
    defaults = {variable.name: variable.default for variable in VARIABLES}

    def read(name: str, convert: Callable[[str], Any]) -> Any:
        text = environ.get(name, "") or defaults[name]
        try:
            return convert(text)
        except (ValueError, InvalidInput) as error:
            # Neither the value nor a library's echo of it is shown: an address may hold a password.
            why = str(error) if isinstance(error, InvalidInput) else "it cannot be read"
            raise Misconfigured(f"{name}: {why}") from None

    data = read("WANGGE_DATA", lambda text: Path(text).absolute())
    tls_cert, tls_key = read("WANGGE_TLS_CERT", _file), read("WANGGE_TLS_KEY", _file)
    if (tls_cert is None) != (tls_key is None):
        raise Misconfigured("WANGGE_TLS_CERT and WANGGE_TLS_KEY belong together: set both or neither")
    return Settings(
        data=data,
        anchor_dir=read("WANGGE_ANCHOR_DIR", _file),
        database_url=read("WANGGE_DATABASE_URL", _database) or f"sqlite:///{data / 'wangge.db'}",
        redis_url=read("WANGGE_REDIS_URL", _redis),
        host=read("WANGGE_HOST", lambda text: str(ipaddress.ip_address(text))),
        port=read("WANGGE_PORT", _between(0, 65535)),
        camera_networks=read("WANGGE_CAMERA_NETWORKS", AllowedNetworks.parse),
        egress_networks=read("WANGGE_EGRESS_NETWORKS", AllowedNetworks.parse),
        push_contact=read("WANGGE_PUSH_CONTACT", _contact),
        zoo=read("WANGGE_ZOO", _file),
        detector=read("WANGGE_DETECTOR", str),
        detector_tiles=read("WANGGE_DETECTOR_TILES", _tiles),
        density_model=read("WANGGE_DENSITY_MODEL", str) or None,
        change_model=read("WANGGE_CHANGE_MODEL", str),
        face_model=read("WANGGE_FACE_MODEL", str) or None,
        providers=read("WANGGE_PROVIDERS", parse_providers),
        claim_lease_s=read("WANGGE_CLAIM_LEASE_S", _between(1, 86_400)),
        storm_limit=read("WANGGE_STORM_LIMIT", _between(1, 1000)),
        town_level=read("WANGGE_TOWN_LEVEL", _between(1, 20)),
        session_s=read("WANGGE_SESSION_S", _between(60, 30 * 86_400)),
        photo_max_bytes=read("WANGGE_PHOTO_MAX_BYTES", _between(1024, 100 * 1024 * 1024)),
        deliveries_days=read("WANGGE_DELIVERIES_DAYS", _between(1, 36_500)),
        secure_cookies=read("WANGGE_SECURE_COOKIES", _between(0, 1)) == 1,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log_level=read("WANGGE_LOG_LEVEL", _one_of("debug", "info", "warning", "error")),
    )


def _between(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise InvalidInput(f"it must be {low} to {high}")
        return value

    return convert


def _one_of(*words: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in words:
            raise InvalidInput(f"it must be one of {', '.join(words)}")
        return text

    return convert


def _file(text: str) -> Path | None:
    return Path(text).absolute() if text else None


def _tiles(text: str) -> str:
    columns, _, rows = text.partition("x")
    if not (columns.isdigit() and rows.isdigit() and 1 <= int(columns) <= 8 and 1 <= int(rows) <= 8):
        raise InvalidInput("it must be columns x rows, each 1 to 8, as in 2x1")
    return text


def parse_providers(text: str) -> tuple[str, ...]:
    """The names of what models run on, the best first. Raises InvalidInput."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if any(name not in PROVIDERS for name in names):
        raise InvalidInput(f"it must be names out of {', '.join(PROVIDERS)}, comma-separated")
    return names


def _database(text: str) -> str:
    if text and not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise InvalidInput("it must begin with sqlite:/// or postgresql+psycopg://")
    return text


def _contact(text: str) -> str | None:
    if text and (not text.startswith(("mailto:", "https://")) or not text.isascii() or not text.isprintable()):
        raise InvalidInput("it must begin with mailto: or https://")
    return text or None


def _redis(text: str) -> str | None:
    if text and not text.startswith(("redis://", "rediss://", "unix://")):
        raise InvalidInput("it must begin with redis://, rediss:// or unix://")
    return text or None
