"""The change network of our own: its training pairs, its training, its ONNX file and what it is worth.

    python -m bench.train_change train --pairs DIR          # makes the pairs, trains, writes the model: hours on a core
    python -m bench.train_change judge                      # the shipped model on held-out pairs, beside absdiff
    python -m bench.train_change judge --model FILE --json
    python -m bench.train_change show --out sheet.png       # some pairs and their labels, to look at

Pairs are drawn by code from seeds (bench/train_pairs.py): no photograph goes in, so nothing of anyone is in the
weights. Training alone needs JAX (requirements/training.txt).
"""

import argparse
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from bench.train_fit import Cells, Plan, fit
from bench.train_network import NumpyOps, Weights, as_onnx, count, network, through_half
from bench.train_pairs import Pair, make_pair, pairs
from bench.train_patterns import make_patterns
from bench.train_scores import Comparer, absdiff, judge
from bench.train_street import HEIGHT_PX, WIDTH_PX, Pixels, Reals

SHIPPED = Path(__file__).parent.parent / "detectors" / "zoo" / "change-320k.onnx"
TRAINING_SEED, TRAINING_PATTERNS = 100_000, 1
HELD_OUT_SEED, HELD_OUT_PATTERNS = 900_000, 2
A_FILE = 200
"""Pairs a file holds, and by how many the pool grows every hundred steps."""
FIRST_FILES = 4
PLAN = Plan(steps=1000, batch=16, rate=2e-3, seed=1, crop_cells=(12, 20))


class Pool:
    """Training pairs, kept in a folder so that a run can begin again without drawing them again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._files = folder, 0
        self._patterns = make_patterns(TRAINING_PATTERNS)
        self._pixels: Pixels = np.zeros((0, HEIGHT_PX, WIDTH_PX, 6), np.uint8)
        self._cells: Cells = np.zeros((0, HEIGHT_PX // 8, WIDTH_PX // 8, 2), np.float16)

    def __call__(self, step: int) -> tuple[Pixels, Cells]:
        """What step may draw from: the pool grows with the steps, the same in every run."""
        while self._files < FIRST_FILES + step // 100:
            pixels, cells = self._file(self._files)
            self._pixels = np.concatenate([self._pixels, pixels])
            self._cells = np.concatenate([self._cells, cells])
            self._files += 1
        return self._pixels, self._cells

    def _file(self, number: int) -> tuple[Pixels, Cells]:
        first = TRAINING_SEED + number * A_FILE
        path = self._folder / f"train-{first}.npz"
        if not path.exists():
            found = list(pairs(first, A_FILE, self._patterns))
            pixels = np.stack([np.concatenate([pair.reference, pair.look], axis=2) for pair in found])
            cells = np.stack([np.stack([pair.lasting, pair.passing], axis=2) for pair in found]).astype(np.float16)
            begun = path.with_suffix(".part.npz")
            np.savez(begun, pix=pixels, lab=cells)
            begun.rename(path)
        with np.load(path) as kept:
            return kept["pix"], kept["lab"]


def comparer(model: bytes, less_passing: float = 0.0) -> Comparer:
    """The network as it runs in the product, on one thread: how sure it is of something new that stays, less so many
    times how sure it is of something that passes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def compare(reference: Pixels, look: Pixels) -> Reals:
        pair = np.concatenate([reference, look], axis=2).transpose(2, 0, 1)[None].astype(np.float32) / 255
        lasting, passing = session.run(["change"], {"pair": pair})[0][0]
        found: Reals = lasting - np.float32(less_passing) * passing
        return found

    return compare


def difference(model: bytes, weights: Weights) -> float:
    """The largest between the file in ONNX Runtime and the network in NumPy, on a pair of noise."""
    pair = np.random.default_rng(3).random((1, 6, 96, 160), np.float32)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(["change"], {"pair": pair})[0]
    return float(np.abs(found - network(NumpyOps(through_half(weights)), pair)).max())


def _train(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    began = time.monotonic()
    weights: Weights = {}
    for step, loss, reached in fit(Pool(arguments.pairs), PLAN):
        print(f"step {step}: loss {loss:.4f}, {time.monotonic() - began:.0f} s", flush=True)
        weights = reached
    model = as_onnx(weights, arguments.out.stem)
    worst = difference(model, weights)
    if worst > 1e-4:
        raise SystemExit(f"the file differs from the network by {worst:.1e}: not written")
    arguments.out.write_bytes(model)
    print(f"{arguments.out}: {count(weights)} parameters, {len(model)} bytes, differs by {worst:.0e}")
    print(f'sha256 = "{hashlib.sha256(model).hexdigest()}"')


def _judge(arguments: argparse.Namespace) -> None:
    if not arguments.model.is_file():
        raise SystemExit(f"{arguments.model} is not there: train a model first, or name one with --model")
    model = arguments.model.read_bytes()
    compare = comparer(model)
    comparers = {"network": compare, "less passing": comparer(model, 1.0), "absdiff": absdiff}
    found = judge(_held_out(arguments.count), comparers)
    picture = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        compare(picture, picture)
        times.append((time.perf_counter() - began) * 1e3)
    if arguments.json:
        rows = {name: {g: dataclasses.asdict(s) for g, s in groups.items()} for name, groups in found.items()}
        print(json.dumps({"pairs": arguments.count, "ms_p50": float(np.median(times)), **rows}, indent=2))
        return
    print(f"{arguments.count} generated pairs, seeds from {HELD_OUT_SEED}, patterns {HELD_OUT_PATTERNS}: held out")
    print(f"{'':24}{'cells':>8}   network: AUC    AP  recall   absdiff: AUC    AP  recall   (at 1 % false cells)")
    for group, ours in found["network"].items():
        plain = found["absdiff"][group]
        print(
            f"{group:24}{ours.cells:8}{ours.auc:15.3f}{ours.ap:6.2f}{ours.recall:8.2f}"
            f"{plain.auc:15.3f}{plain.ap:6.2f}{plain.recall:8.2f}"
        )
    apart = found["less passing"].get("built or passing")
    if apart is not None:
        print(f"built or passing, by the first output less the second: AUC {apart.auc:.3f}")
    print(f"{np.median(times):.1f} ms a pair of {WIDTH_PX} x {HEIGHT_PX}, one thread")


def _held_out(number: int) -> Iterator[Pair]:
    patterns = make_patterns(HELD_OUT_PATTERNS)
    for done, pair in enumerate(pairs(HELD_OUT_SEED, number, patterns), 1):
        if sys.stderr.isatty():
            print(f"\r{done} of {number} pairs", end="", file=sys.stderr, flush=True)
        yield pair


def _show(arguments: argparse.Namespace) -> None:
    patterns, rows = make_patterns(HELD_OUT_PATTERNS), []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + arguments.count):
        pair = make_pair(seed, patterns)
        label = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        for channel, cells in ((2, pair.lasting), (1, pair.passing)):
            label[..., channel] = np.kron(cells, np.ones((8, 8))) * 255
        text = f"{pair.kind} {pair.nuisance} {pair.contrast:.0f} grey {pair.share:.1%}"
        cv2.putText(label, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
        rows.append(np.hstack([pair.reference, pair.look, label]))
    if not cv2.imwrite(str(arguments.out), np.vstack(rows)):
        raise SystemExit(f"{arguments.out} cannot be written")
    print(f"{arguments.out}: reference, look, label (red stays, green passes)")


def _some(text: str) -> int:
    """Raises ArgumentTypeError, which argparse prints."""
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100000")
    return int(text)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(required=True)
    train = verbs.add_parser("train", help="make pairs, train, write the model")
    train.add_argument("--pairs", type=Path, required=True, help="a folder that keeps the pairs (70 MB for 200)")
    train.add_argument("--out", type=Path, default=SHIPPED)
    train.set_defaults(run=_train)
    held = verbs.add_parser("judge", help="score a model on held-out pairs, beside absdiff")
    held.add_argument("--model", type=Path, default=SHIPPED)
    held.add_argument("--count", type=_some, default=600, help="how many pairs")
    held.add_argument("--json", action="store_true")
    held.set_defaults(run=_judge)
    show = verbs.add_parser("show", help="draw pairs with their labels into one picture")
    show.add_argument("--out", type=Path, required=True)
    show.add_argument("--count", type=_some, default=8)
    show.set_defaults(run=_show)
    arguments = parser.parse_args(words)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
