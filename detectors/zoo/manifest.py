"""zoo.toml: which detector models there are, and what must be true of a file before it is loaded."""

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detectors.zoo.layouts import LAYOUTS
from detectors.zoo.outputs import Layout, Task
from models.errors import ModelRefused

SHIPPED = Path(__file__).parent / "zoo.toml"
MAX_BYTES = 512 * 1024 * 1024
EXTERNAL_DATA = b"\x0a\x08location"
"""The key of the entry that names a tensor's external file, as protobuf writes it (onnx.proto, StringStringEntry)."""


USES: Mapping[str, tuple[Task, str | None]] = MappingProxyType(
    {
        "detector": (Task.BOXES, "person"),
        "faces": (Task.BOXES, "face"),
        "density": (Task.DENSITY, None),
        "change": (Task.CHANGE, None),
    }
)
"""What a model is used for: the task that takes, and the label that it cannot do without."""
RESIZES = ("letterbox", "shrink", "stretch")
MAX_TEXT, MAX_NAME = 500, 100
MAX_SIDE_PX = 4096
"""Of a model's input."""


@dataclass(frozen=True)
class InputSpec:
    """How a picture is prepared: see the head of zoo.toml. ``mean``, ``std`` and ``fill`` are in 0..255."""

    long_side_px: int
    multiple_px: int
    channels: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: str = "letterbox"
    fill: int = 0


@dataclass(frozen=True)
class Card:
    """What is known of a model besides how it runs: how good it is, on what (``tested_on``), ``ms`` a picture and where
    that was measured (``ms_on``), what it is meant for, and where it fails. None: not stated.
    """

    accuracy: str | None = None
    tested_on: str | None = None
    ms: float | None = None
    ms_on: str | None = None
    use: str | None = None
    limits: str | None = None


@dataclass(frozen=True)
class ZooEntry:
    """One model: where its file is, what it must hash to, and how to feed and read it."""

    name: str
    path: Path
    sha256: str
    layout: str
    labels: tuple[str, ...]
    input: InputSpec
    licence: str
    origin: str
    outputs: tuple[str, ...] = ()
    """The model's own names of the outputs that its layout reads; none: as the layout has them."""
    card: Card = Card()

    @property
    def task(self) -> Task:
        return LAYOUTS[self.layout].task

    @property
    def reads(self) -> Mapping[str, str]:
        """The layout's name of each output that it reads, and the model's."""
        layout: Layout = LAYOUTS[self.layout]
        return dict(zip(layout.outputs, self.outputs or layout.outputs, strict=True))

    @property
    def model(self) -> str:
        """Name and version, the version being the weights' own hash, so that no one has to remember to raise it."""
        return f"{self.name}@{self.sha256[:12]}"


def read_zoo(path: Path | None = None) -> Mapping[str, ZooEntry]:
    """The models that ship, and those of a zoo.toml of one's own, by name; its own go first. Raises ModelRefused."""
    return {**read_entries(SHIPPED), **(read_entries(path) if path else {})}


def read_entries(path: Path) -> Mapping[str, ZooEntry]:
    """The entries of one zoo.toml by name. Raises ModelRefused."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(f"{path} is not TOML: {error}") from None
    return {name: _entry(name, fields, path.parent) for name, fields in table.items()}


def find_entry(zoo: Mapping[str, ZooEntry], name: str) -> ZooEntry:
    """Raises ModelRefused, with the names there are."""
    if name not in zoo:
        raise ModelRefused(f"the zoo has no model {name!r}; it has: {', '.join(sorted(zoo)) or 'none'}")
    return zoo[name]


def find_for(use: str, zoo: Mapping[str, ZooEntry], name: str) -> ZooEntry:
    """The entry for one of ``USES``. Raises ModelRefused: no such name, or not a model for that."""
    entry = find_entry(zoo, name)
    task, label = USES[use]
    if entry.task is not task:
        raise ModelRefused(f"{name}: layout {entry.layout} gives {entry.task}, but {task} is needed as {use}")
    if label is not None and label not in entry.labels:
        raise ModelRefused(f"{name}: it has no label {label!r}, without which it is of no use as {use}")
    return entry


def to_json(entry: ZooEntry, in_use: Mapping[str, str | None]) -> dict[str, Any]:
    """What people are shown of a model; ``in_use``: by use, the name of the model that is set for it."""
    return {
        "name": entry.name,
        "version": entry.sha256[:12],
        "task": entry.task.value,
        "layout": entry.layout,
        "labels": list(entry.labels),
        "licence": entry.licence,
        "origin": entry.origin,
        "used_as": [use for use, name in in_use.items() if name == entry.name],
        "card": vars(entry.card).copy(),
    }


def read_model(entry: ZooEntry) -> bytes:
    """The model file's bytes, checked. Raises ModelRefused: missing, too large, another hash, external data."""
    try:
        size = entry.path.stat().st_size
        if size > MAX_BYTES:
            raise ModelRefused(f"{entry.name}: the file has {size} bytes, more than {MAX_BYTES}")
        data = entry.path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{entry.name}: {entry.path} cannot be read: {error.strerror}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise ModelRefused(f"{entry.name}: sha256 of {entry.path.name} is {found}, the zoo says {entry.sha256}")
    if EXTERNAL_DATA in data:
        raise ModelRefused(f"{entry.name}: the model keeps weights in another file; save it as one file")
    return data


def _entry(name: str, fields: Any, folder: Path) -> ZooEntry:
    try:
        spec = fields["input"]
        entry = ZooEntry(
            name=name,
            path=(folder / _text(fields["file"])).resolve(),
            sha256=_text(fields["sha256"]).lower(),
            layout=_text(fields["layout"]),
            labels=tuple(_text(label) for label in fields["labels"]),
            input=InputSpec(
                long_side_px=_whole(spec["long_side_px"]),
                multiple_px=_whole(spec["multiple_px"]),
                channels=_text(spec["channels"]),
                mean=_three(spec["mean"]),
                std=_three(spec["std"]),
                resize=_text(spec.get("resize", "letterbox")),
                fill=_whole(spec.get("fill", 0)),
            ),
            licence=_text(fields["licence"]),
            origin=_text(fields["origin"]),
            outputs=tuple(_text(output) for output in fields.get("outputs", ())),
            card=_card(fields.get("card", {})),
        )
    except KeyError as error:
        raise ModelRefused(f"{name}: the zoo entry lacks {error.args[0]!r}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelRefused(f"{name[:MAX_NAME]}: the zoo entry cannot be read: {error}") from None
    fault = _fault(entry, folder.resolve())
    if fault:
        raise ModelRefused(f"{name[:MAX_NAME]}: {fault}")
    return entry


def _fault(entry: ZooEntry, folder: Path) -> str | None:
    spec = entry.input
    if len(entry.name) > MAX_NAME or not entry.name.isprintable():
        return f"a model's name is at most {MAX_NAME} characters that show: alerts name it"
    if not entry.path.is_relative_to(folder):
        return "the model file must lie beside its zoo.toml"
    if entry.layout not in LAYOUTS:
        return f"there is no layout {entry.layout!r}; there are: {', '.join(sorted(LAYOUTS))}"
    if entry.outputs and len(entry.outputs) != len(LAYOUTS[entry.layout].outputs):
        wanted = ", ".join(LAYOUTS[entry.layout].outputs)
        return f"outputs must name what layout {entry.layout} reads, in this order: {wanted}"
    if not 1 <= len(entry.labels) <= 10_000 or len(set(entry.labels)) != len(entry.labels):
        return "labels must be 1 to 10000 different names"
    if not 1 <= spec.multiple_px <= 256:
        return f"multiple_px must be 1 to 256, not {spec.multiple_px}"
    step = LAYOUTS[entry.layout].multiple_px
    if spec.multiple_px % step:
        return f"multiple_px must be a multiple of {step} for layout {entry.layout}, not {spec.multiple_px}"
    if not 32 <= spec.long_side_px <= MAX_SIDE_PX or spec.long_side_px % spec.multiple_px:
        return f"long_side_px must be 32 to {MAX_SIDE_PX} and a multiple of {spec.multiple_px}, not {spec.long_side_px}"
    if spec.channels not in ("bgr", "rgb"):
        return f"channels must be bgr or rgb, not {spec.channels!r}"
    if not all(math.isfinite(v) for v in (*spec.mean, *spec.std)) or min(spec.std) <= 0:
        return "mean and std must be finite and std above 0"
    if spec.resize not in RESIZES:
        return f"resize must be one of {', '.join(RESIZES)}, not {spec.resize!r}"
    if not 0 <= spec.fill <= 255:
        return f"fill must be 0 to 255, not {spec.fill}"
    return None


def _card(fields: Any) -> Card:
    if not isinstance(fields, dict):
        raise ValueError("its card is no table")
    known = Card.__dataclass_fields__
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"a card has no {', '.join(unknown)}; it has: {', '.join(known)}")
    ms = fields.get("ms")
    if ms is not None and not (type(ms) in (int, float) and math.isfinite(ms) and ms > 0):
        raise ValueError(f"ms must be a number above 0, not {str(ms)[:40]!r}")
    said: dict[str, Any] = {name: _text(value) for name, value in fields.items() if name != "ms"}
    return Card(ms=ms, **said)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:40]!r} is not text")
    if len(value) > MAX_TEXT:
        raise ValueError(f"{value[:40]!r}… is longer than {MAX_TEXT} characters")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{str(value)[:40]!r} is not a whole number")
    return value


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
