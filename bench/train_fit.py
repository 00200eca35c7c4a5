"""Training of the change network with JAX, which is needed for nothing else: see requirements/training.txt."""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.train_network import LAYERS, Array, Weights, network, random_weights
from bench.train_pairs import CELL_PX
from bench.train_street import Pixels

CERTAIN, NO_MORE = 0.3, 0.04
"""A cell that is covered by more is one, by less is none; what lies between is not learnt from."""
KEPT = 0.99
"""Of the running means, at each step: of the normalisation's and of the weights that are shipped."""

Cells = NDArray[np.float16]
Params = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    steps: int
    batch: int
    rate: float
    seed: int
    crop_cells: tuple[int, int]
    """What is trained on at a time, of 24 x 40: less than all is cheaper, and no place is learnt by heart."""


def jax_modules() -> tuple[Any, Any]:
    """jax and jax.numpy. Raises SystemExit with what to install."""
    try:
        return importlib.import_module("jax"), importlib.import_module("jax.numpy")
    except ImportError:
        raise SystemExit(
            "training needs JAX: pip install -r requirements/training.txt in an environment of its own"
        ) from None


class JaxOps:
    """The network for training: values are (n, h, w, c), each convolution but the last normalised over its batch.

    ``seen`` collects mean and variance per layer, for the running ones that are folded into the weights in the end
    (Ioffe and Szegedy 2015, arXiv:1502.03167).
    """

    def __init__(self, jax: Any, params: Params) -> None:
        self._lax, self._jnp, self._sigmoid = jax.lax, jax.numpy, jax.nn.sigmoid
        self._params = params
        self.seen: dict[str, tuple[Any, Any]] = {}

    def standard(self, pair: Any) -> Any:
        pictures = self._jnp.concatenate([pair[..., :3], pair[..., 3:]])
        centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
        return centred / self._jnp.sqrt((centred**2).mean(axis=(1, 2), keepdims=True) + 1e-4)

    def conv(self, value: Any, layer: str, stride: int = 1, dilation: int = 1) -> Any:
        own = self._params[layer]
        edge = dilation * (own["kernel"].shape[0] // 2)
        result = self._lax.conv_general_dilated(
            value,
            own["kernel"],
            (stride, stride),
            # As ONNX pads, and not "SAME", which puts it all on the far side where the stride is 2.
            ((edge, edge + 1 - stride), (edge, edge + 1 - stride)),
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        if "scale" not in own:
            return result + own["bias"]
        mean, variance = result.mean(axis=(0, 1, 2)), result.var(axis=(0, 1, 2))
        self.seen[layer] = (mean, variance)
        return (result - mean) * (own["scale"] / self._jnp.sqrt(variance + 1e-4)) + own["bias"]

    def relu(self, value: Any) -> Any:
        return self._jnp.maximum(value, 0)

    def add(self, one: Any, other: Any) -> Any:
        return one + other

    def contrast(self, value: Any) -> tuple[Any, Any, Any]:
        reference, look = self._jnp.split(value, 2)
        return look, look - reference, self._jnp.abs(look - reference)

    def join(self, values: list[Any]) -> Any:
        return self._jnp.concatenate(values, axis=3)

    def halve(self, value: Any) -> Any:
        n, rows, columns, channels = value.shape
        return value.reshape(n, rows // 2, 2, columns // 2, 2, channels).max(axis=(2, 4))

    def double(self, value: Any) -> Any:
        return value.repeat(2, axis=1).repeat(2, axis=2)

    def mean(self, value: Any) -> Any:
        return value.mean(axis=(1, 2), keepdims=True)

    def sigmoid(self, value: Any) -> Any:
        return value  # the loss takes what goes into it


def first_params(seed: int) -> dict[str, dict[str, Array]]:
    found: dict[str, dict[str, Array]] = {}
    for layer, (kernel, bias) in random_weights(np.random.default_rng(seed)).items():
        found[layer] = {"kernel": np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)), "bias": bias}
        # Not where the picture's mean goes through: one value per picture is too few to normalise over.
        if layer not in ("answer", "whole_16"):
            found[layer]["scale"] = np.ones(len(bias), np.float32)
    found["answer"]["bias"] = np.full(LAYERS["answer"][1], -3, np.float32)
    return found


def folded(params: Params, running: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Array, Array]]:
    """Weights for NumPy and ONNX: the normalisation goes into kernel and bias."""
    weights = {}
    for layer, own in params.items():
        kernel, bias = np.asarray(own["kernel"]).transpose(3, 2, 0, 1), np.asarray(own["bias"])
        if "scale" in own:
            mean, variance = (np.asarray(part) for part in running[layer])
            gain = np.asarray(own["scale"]) / np.sqrt(variance + 1e-4)
            kernel, bias = kernel * gain[:, None, None, None], bias - mean * gain
        weights[layer] = (kernel.astype(np.float32), bias.astype(np.float32))
    return weights


class Batches:
    """Crops of pairs, mirrored, recoloured, sometimes with the two pictures swapped or the same."""

    def __init__(self, seed: int, crop_cells: tuple[int, int]) -> None:
        self._rng, self._crop_cells = np.random.default_rng(seed), crop_cells
        self._grain = self._rng.normal(0, 1, (256, 256, 3)).astype(np.float32)

    def draw(self, pixels: Pixels, cells: Cells, size: int) -> tuple[Array, Array]:
        """``size`` crops of pairs (n, 192, 320, 6) and of cells (n, 24, 40, 2); pictures become 0..1."""
        chosen = [self._crop(pixels[i], cells[i]) for i in self._rng.integers(0, len(pixels), size)]
        return np.stack([image for image, _ in chosen]), np.stack([target for _, target in chosen])

    def _crop(self, pixels: Pixels, cells: Cells) -> tuple[Array, Array]:
        rng, (rows, columns) = self._rng, self._crop_cells
        centre = rng.integers(0, cells.shape[:2])
        new = np.argwhere(cells[..., 0] > CERTAIN)
        if len(new) and rng.random() < 0.6:
            centre = new[int(rng.integers(len(new)))]
        jitter = rng.integers(0, self._crop_cells)
        top, left = np.clip(centre - jitter, 0, np.array(cells.shape[:2]) - self._crop_cells)
        crop = pixels[top * CELL_PX : (top + rows) * CELL_PX, left * CELL_PX : (left + columns) * CELL_PX]
        target = cells[top : top + rows, left : left + columns].astype(np.float32)
        if rng.random() < 0.5:
            crop, target = crop[:, ::-1], target[:, ::-1]
        reference, look = crop[..., :3], crop[..., 3:]
        chance = rng.random()
        if chance < 0.04:  # nothing but light and noise
            reference, target = look, np.zeros_like(target)
        elif chance < 0.3 and not (target[..., 0] > NO_MORE).any():
            reference, look = look, reference
        if rng.random() < 0.3:
            order = rng.permutation(3)
            reference, look = reference[..., order], look[..., order]
        return np.concatenate([self._relit(reference), self._relit(look)], axis=2), target

    def _relit(self, picture: Pixels) -> Array:
        """With another gamma and gain, and some grain: (h, w, 3) 0..1."""
        rng = self._rng
        tones = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.2)) * rng.uniform(0.8, 1.2)
        top, left = rng.integers(0, 256 - np.array(picture.shape[:2]), endpoint=True)
        grain = self._grain[top : top + picture.shape[0], left : left + picture.shape[1]]
        relit = tones.astype(np.float32)[picture] + grain * np.float32(rng.uniform(0, 0.02))
        return np.asarray(np.clip(relit, 0, 1), np.float32)


def loss_of(jax: Any) -> Callable[..., Any]:
    """Cross entropy per cell; a structure's cells count threefold, being few."""

    def loss(params: Params, images: Any, targets: Any) -> Any:
        ops = JaxOps(jax, params)
        logits = network(ops, images)
        ones = (targets > CERTAIN) * 1.0
        sure = ones + (targets < NO_MORE)
        weights = sure * (1 + ones * jax.numpy.array([2.0, 0.5]))
        entropy = jax.numpy.logaddexp(0.0, logits) - ones * logits
        return (entropy * weights).sum() / weights.sum(), ops.seen

    return loss


def fit(pool: Callable[[int], tuple[Pixels, Cells]], plan: Plan) -> Iterator[tuple[int, float, Weights]]:
    """Trains; every 50 steps and at the end: the steps done, the mean loss of the last 50 and the weights as they would
    be shipped. ``pool`` gives the pairs that a step may draw from. Raises SystemExit where JAX is not installed.
    """
    jax, jnp = jax_modules()
    tree = jax.tree_util.tree_map
    params = tree(jnp.asarray, first_params(plan.seed))
    zeros = tree(jnp.zeros_like, params)
    running = {
        name: (jnp.zeros(LAYERS[name][1]), jnp.ones(LAYERS[name][1])) for name in params if "scale" in params[name]
    }
    state, run, losses = (params, zeros, zeros, params, running), jax.jit(_step_of(jax, plan)), []
    batches = Batches(plan.seed, plan.crop_cells)
    for number in range(1, plan.steps + 1):
        images, targets = batches.draw(*pool(number), plan.batch)
        state, value = run(state, images, targets, float(number))
        losses.append(float(value))
        if number % 50 == 0 or number == plan.steps:
            yield number, float(np.mean(losses[-50:])), folded(state[3], state[4])


def _step_of(jax: Any, plan: Plan) -> Callable[..., Any]:
    """One step of Adam (Kingma and Ba 2015, arXiv:1412.6980), the rate rising for 50 steps and falling as a cosine.

    The state is: weights, the two moments, the weights' running mean, the normalisation's.
    """
    jnp, tree = jax.numpy, jax.tree_util.tree_map
    gradient = jax.value_and_grad(loss_of(jax), has_aux=True)

    def step(state: Any, images: Any, targets: Any, number: Any) -> tuple[Any, Any]:
        params, first, second, mean, running = state
        (value, seen), slope = gradient(params, images, targets)
        rate = plan.rate * 0.5 * (1 + jnp.cos(math.pi * number / plan.steps)) * jnp.minimum(1.0, number / 50)
        first = tree(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
        second = tree(lambda v, g: 0.99 * v + 0.01 * g * g, second, slope)
        lift = rate * jnp.sqrt(1 - 0.99**number) / (1 - 0.9**number)
        params = tree(lambda p, m, v: p * (1 - 1e-4 * rate) - lift * m / (jnp.sqrt(v) + 1e-7), params, first, second)
        share = jnp.minimum(KEPT, 1 - 1 / number)
        mean, running = (
            tree(lambda old, new: share * old + (1 - share) * new, *each) for each in ((mean, params), (running, seen))
        )
        return (params, first, second, mean, running), value

    return step
