"""The change network, written once: for NumPy, for ONNX, and (in bench/train_fit.py) for training.

Both pictures, each brought to mean 0 and deviation 1, pass the same encoder; what is compared are its features at
strides 4, 8 and 16. The output has two channels at stride 8, 0..1: something new that stays, something that comes and
goes.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
Weights = Mapping[str, tuple[Array, Array]]
"""By layer: kernel (out, in, height, width) and bias (out,)."""

STEM, FINE, MIDDLE, COARSE, SHARED = 16, 24, 48, 80, 48
LAYERS: Mapping[str, tuple[int, int, int]] = {
    "stem": (3, STEM, 3),
    "down_4": (STEM, FINE, 3),
    "block_4a": (FINE, FINE, 3),
    "block_4b": (FINE, FINE, 3),
    "down_8": (FINE, MIDDLE, 3),
    "block_8a": (MIDDLE, MIDDLE, 3),
    "block_8b": (MIDDLE, MIDDLE, 3),
    "down_16": (MIDDLE, COARSE, 3),
    "block_16a": (COARSE, COARSE, 3),
    "block_16b": (COARSE, COARSE, 3),
    "compare_16": (3 * COARSE, SHARED, 1),
    "around_16": (SHARED, SHARED, 3),
    "whole_16": (SHARED, SHARED, 1),
    "compare_8": (3 * MIDDLE, SHARED, 1),
    "merge_8": (FINE + 2 * SHARED, SHARED, 3),
    "last_8": (SHARED, 32, 3),
    "answer": (32, 2, 1),
}
"""By layer: channels in, channels out, side of the kernel."""


class Ops(Protocol):
    """What a network is made of. A value is whatever the maker passes along: arrays, names, traced arrays."""

    def standard(self, pair: Any) -> Any:
        """(n, 6, h, w) to (2n, 3, h, w), first all references, each channel of each with mean 0 and deviation 1."""

    def conv(self, value: Any, layer: str, stride: int = 1, dilation: int = 1) -> Any: ...

    def relu(self, value: Any) -> Any: ...

    def add(self, one: Any, other: Any) -> Any: ...

    def contrast(self, value: Any) -> tuple[Any, Any, Any]:
        """(2n, c, h, w) to the looks, looks minus references, and that without its sign."""

    def join(self, values: list[Any]) -> Any: ...

    def halve(self, value: Any) -> Any:
        """The greatest of each 2 x 2."""

    def double(self, value: Any) -> Any:
        """Each cell becomes 2 x 2."""

    def mean(self, value: Any) -> Any:
        """Over the picture: (n, c, 1, 1)."""

    def sigmoid(self, value: Any) -> Any: ...


def network(ops: Ops, pair: Any) -> Any:
    """(n, 6, h, w) to (n, 2, h / 8, w / 8); h and w are multiples of 32."""
    stages = []
    value = ops.relu(ops.conv(ops.standard(pair), "stem", stride=2))
    for stride in (4, 8, 16):
        value = ops.relu(ops.conv(value, f"down_{stride}", stride=2))
        inner = ops.relu(ops.conv(value, f"block_{stride}a"))
        value = ops.relu(ops.add(value, ops.conv(inner, f"block_{stride}b")))
        stages.append(ops.contrast(value))
    (_, _, fine), middle, coarse = stages
    around = ops.relu(ops.conv(ops.join(list(coarse)), "compare_16"))
    around = ops.relu(ops.conv(around, "around_16", dilation=2))
    around = ops.relu(ops.add(around, ops.conv(ops.mean(around), "whole_16")))
    here = ops.relu(ops.conv(ops.join(list(middle)), "compare_8"))
    merged = ops.relu(ops.conv(ops.join([ops.halve(fine), here, ops.double(around)]), "merge_8"))
    return ops.sigmoid(ops.conv(ops.relu(ops.conv(merged, "last_8")), "answer"))


def random_weights(rng: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """To begin with (He et al. 2015, arXiv:1502.01852)."""
    found = {}
    for layer, (inputs, outputs, side) in LAYERS.items():
        kernel = rng.normal(0, np.sqrt(2 / (inputs * side * side)), (outputs, inputs, side, side))
        found[layer] = (kernel.astype(np.float32), np.zeros(outputs, np.float32))
    return found


def count(weights: Weights) -> int:
    return sum(kernel.size + bias.size for kernel, bias in weights.values())


class NumpyOps:
    """Slow and plain: what the others are held against."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def standard(self, pair: Array) -> Array:
        pictures = np.concatenate([pair[:, :3], pair[:, 3:]])
        centred = pictures - pictures.mean(axis=(2, 3), keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=(2, 3), keepdims=True) + 1e-4)
        return np.asarray(centred / deviation, np.float32)

    def conv(self, value: Array, layer: str, stride: int = 1, dilation: int = 1) -> Array:
        kernel, bias = self._weights[layer]
        side = kernel.shape[2]
        edge = dilation * (side // 2)
        filled = np.pad(value, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
        rows, columns = value.shape[2] // stride, value.shape[3] // stride
        total = np.zeros((len(value), len(kernel), rows, columns), np.float32)
        for row in range(side):
            for column in range(side):
                top, left = row * dilation, column * dilation
                part = filled[:, :, top : top + stride * rows : stride, left : left + stride * columns : stride]
                total += np.einsum("oi,nihw->nohw", kernel[:, :, row, column], part)
        return total + bias[:, None, None]

    def relu(self, value: Array) -> Array:
        return np.maximum(value, 0)

    def add(self, one: Array, other: Array) -> Array:
        return one + other

    def contrast(self, value: Array) -> tuple[Array, Array, Array]:
        reference, look = np.split(value, 2)
        return look, look - reference, np.abs(look - reference)

    def join(self, values: list[Array]) -> Array:
        return np.concatenate(values, axis=1)

    def halve(self, value: Array) -> Array:
        n, channels, rows, columns = value.shape
        result: Array = value.reshape(n, channels, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
        return result

    def double(self, value: Array) -> Array:
        return value.repeat(2, axis=2).repeat(2, axis=3)

    def mean(self, value: Array) -> Array:
        result: Array = value.mean(axis=(2, 3), keepdims=True)
        return result

    def sigmoid(self, value: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(-value)), np.float32)


class OnnxOps:
    """Writes each operator down as a node; a value is its name. For one pair at a time."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def _node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{len(self.nodes)}", **attributes))
        return names

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        if all(known.name != name for known in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def standard(self, pair: str) -> str:
        parts = self._node("Split", [pair, self._constant("three", np.array([3, 3], np.int64))], 2, axis=1)
        pictures = self._node("Concat", parts, axis=0)[0]
        (mean,) = self._node("ReduceMean", [pictures], axes=[2, 3], keepdims=1)
        (centred,) = self._node("Sub", [pictures, mean])
        (square,) = self._node("Mul", [centred, centred])
        (variance,) = self._node("ReduceMean", [square], axes=[2, 3], keepdims=1)
        (above,) = self._node("Add", [variance, self._constant("least", np.array(1e-4, np.float32))])
        return self._node("Div", [centred, *self._node("Sqrt", [above])])[0]

    def conv(self, value: str, layer: str, stride: int = 1, dilation: int = 1) -> str:
        inputs = [value]
        for part, array in zip(("kernel", "bias"), self._weights[layer], strict=True):
            half = self._constant(f"{layer}_{part}_f16", array.astype(np.float16))
            inputs += self._node("Cast", [half], to=TensorProto.FLOAT)
        side = self._weights[layer][0].shape[2]
        edge, steps = dilation * (side // 2), [stride, stride]
        return self._node(
            "Conv", inputs, kernel_shape=[side, side], pads=[edge] * 4, strides=steps, dilations=[dilation, dilation]
        )[0]

    def relu(self, value: str) -> str:
        return self._node("Relu", [value])[0]

    def add(self, one: str, other: str) -> str:
        return self._node("Add", [one, other])[0]

    def contrast(self, value: str) -> tuple[str, str, str]:
        one = self._constant("one_each", np.array([1, 1], np.int64))
        reference, look = self._node("Split", [value, one], 2, axis=0)
        (difference,) = self._node("Sub", [look, reference])
        return look, difference, self._node("Abs", [difference])[0]

    def join(self, values: list[str]) -> str:
        return self._node("Concat", values, axis=1)[0]

    def halve(self, value: str) -> str:
        return self._node("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])[0]

    def double(self, value: str) -> str:
        scales = self._constant("twice", np.array([1, 1, 2, 2], np.float32))
        inputs = [value, "", scales]
        return self._node(
            "Resize", inputs, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )[0]

    def mean(self, value: str) -> str:
        return self._node("GlobalAveragePool", [value])[0]

    def sigmoid(self, value: str) -> str:
        self.nodes.append(helper.make_node("Sigmoid", [value], ["change"], name="Sigmoid"))
        return "change"


def as_onnx(weights: Weights, name: str) -> bytes:
    """The network as one ONNX file, weights as float16 at rest. The same weights give the same bytes."""
    ops = OnnxOps(weights)
    network(ops, "pair")
    pair = helper.make_tensor_value_info("pair", TensorProto.FLOAT, [1, 6, "height", "width"])
    change = helper.make_tensor_value_info("change", TensorProto.FLOAT, [1, 2, "rows", "columns"])
    graph = helper.make_graph(ops.nodes, name, [pair], [change], ops.initializers)
    # IR 8 and opset 17 are what ONNX Runtime has read since 1.12.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "wangge bench.train_change"
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def through_half(weights: Weights) -> dict[str, tuple[Array, Array]]:
    """The weights as the file holds them."""
    halves = {layer: (k.astype(np.float16), b.astype(np.float16)) for layer, (k, b) in weights.items()}
    return {layer: (k.astype(np.float32), b.astype(np.float32)) for layer, (k, b) in halves.items()}
