"""Tiny generated networks and zoos: a NanoDet that sees brightness, and ways to break it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
REACH = 1.5
"""Every side of every box is this many strides from its cell's centre."""


def tiny_nanodet(
    labels: int = 2, bins: int = 11, side: int | str = "side", dtype: int = TensorProto.FLOAT, strides: Any = STRIDES
) -> onnx.ModelProto:
    """Label 0 scores the brightness of a stride-8 cell, pooled: 1 for white, 0 for black; all else scores 0."""
    nodes, weights = [], []

    def constant(name: str, array: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(array, name))
        return name

    for s in strides:
        nodes.append(helper.make_node("AveragePool", ["image"], [f"pool_{s}"], kernel_shape=[s, s], strides=[s, s]))
        # Black is 0 and white 1 after the tiny zoo's mean and std; only the finest stage may score.
        kernel = np.zeros((labels, 3, 1, 1), np.float32)
        kernel[0] = 40 / 3 if s == 8 else 0
        bias = np.full(labels, -20, np.float32)
        logits = np.full((4, bins), -50, np.float32)
        logits[:, 1:3] = 50
        for what, channels, w, b in (
            ("scores", labels, kernel, bias),
            ("boxes", 4 * bins, np.zeros((4 * bins, 3, 1, 1), np.float32), logits.reshape(-1)),
        ):
            name = f"{what}_{s}"
            inputs = [f"pool_{s}", constant(f"{name}_w", w), constant(f"{name}_b", b)]
            nodes.append(helper.make_node("Conv", inputs, [f"{name}_conv"]))
            last = f"{name}_conv"
            if what == "scores":
                nodes.append(helper.make_node("Sigmoid", [last], [f"{name}_sigmoid"]))
                last = f"{name}_sigmoid"
            shape = constant(f"{name}_shape", np.array([1, channels, -1], np.int64))
            nodes.append(helper.make_node("Reshape", [last, shape], [f"{name}_rows"]))
            nodes.append(helper.make_node("Transpose", [f"{name}_rows"], [f"{name}_f"], perm=[0, 2, 1]))
            nodes.append(helper.make_node("Cast", [f"{name}_f"], [name], to=dtype))
    nodes.append(helper.make_node("Identity", [f"pool_{strides[0]}"], ["features_8"]))
    outputs = [helper.make_tensor_value_info(f"{w}_{s}", dtype, None) for w in ("scores", "boxes") for s in strides]
    outputs.append(helper.make_tensor_value_info("features_8", TensorProto.FLOAT, None))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side if side != "side" else "wide"])
    graph = helper.make_graph(nodes, "tiny", [image], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def constant_model(
    outputs: dict[str, np.ndarray], shapes: Any = ((1, 3, "height", "width"),), dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Says the same whatever it is shown: what an adapter reads out of given numbers."""
    inputs = [helper.make_tensor_value_info(f"in_{i}", TensorProto.FLOAT, list(s)) for i, s in enumerate(shapes)]
    nodes, weights, given = [], [], []
    for name, values in outputs.items():
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"{name}_values"))
        nodes.append(helper.make_node("Cast", [f"{name}_values"], [name], to=dtype))
        given.append(helper.make_tensor_value_info(name, dtype, list(values.shape)))
    graph = helper.make_graph(nodes, "constant", inputs, given, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tiny_map(stride: int = 8, channels: int = 3, gain: float = 1.0, bias: float = 0.0, name: str = "density") -> Any:
    """(1, 1, rows, columns): a cell's mean brightness in the last three channels, times ``gain``, plus ``bias``."""
    kernel = np.zeros((1, channels, 1, 1), np.float32)
    kernel[0, -3:] = gain / 3
    weights = [numpy_helper.from_array(kernel, "w"), numpy_helper.from_array(np.full(1, bias, np.float32), "b")]
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pool"], kernel_shape=[stride] * 2, strides=[stride] * 2),
        helper.make_node("Conv", ["pool", "w", "b"], [name]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, "height", "width"])
    given = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "map", [image], [given], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_zoo(folder: Path, model: bytes, **changes: Any) -> Path:
    """A zoo.toml with one entry, "tiny", for these bytes. ``changes`` replace fields; None leaves one out."""
    (folder / "tiny.onnx").write_bytes(model)
    fields: dict[str, Any] = {
        "file": "tiny.onnx",
        "sha256": hashlib.sha256(model).hexdigest(),
        "layout": "nanodet",
        "labels": ["person", "car"],
        "licence": "Apache-2.0",
        "origin": "generated",
        "long_side_px": 64,
        "multiple_px": 32,
        "channels": "bgr",
        "mean": [0.0, 0.0, 0.0],
        "std": [255.0, 255.0, 255.0],
    } | changes
    of_input = ("long_side_px", "multiple_px", "channels", "mean", "std", "resize", "fill")
    card = fields.pop("card", None)
    rows = {name: f"{name} = {_toml(value)}" for name, value in fields.items() if value is not None}
    text = "\n".join(row for name, row in rows.items() if name not in of_input)
    text = f"[tiny]\n{text}\n[tiny.input]\n" + "\n".join(rows[name] for name in of_input if name in rows)
    if card is not None:
        text += "\n[tiny.card]\n" + "\n".join(f"{name} = {_toml(value)}" for name, value in card.items())
    path = folder / "zoo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
