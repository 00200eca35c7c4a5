"""Layouts whose output is a map: crowd density, and change between two pictures."""

import numpy as np
from numpy.typing import NDArray

from detectors.zoo.outputs import Outputs, Task, beyond

MAX_PERSONS_PER_PX = 0.02
"""More on a trial picture that shows nobody is no density: a head that can be seen takes 50 pixels."""
MAX_STRIDE = 64


class Density:
    """Crowd density (MCNN, CSRNet, DM-Count and their like): (1, 1, rows, columns), whose sum is the persons seen."""

    task = Task.DENSITY
    multiple_px = 1
    outputs = ("density",)

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        found = outputs["density"]
        if labels != 1:
            return f"a density map counts one label, the zoo names {labels}"
        if fault := _shape_fault(found, 1, height_px, width_px):
            return fault
        persons = float(found.sum())
        if abs(persons) > MAX_PERSONS_PER_PX * height_px * width_px:
            return (
                f"it counts {persons:.0f} persons in a {width_px} x {height_px} picture of nobody: not persons per cell"
            )
        return None

    def decode(self, outputs: Outputs) -> NDArray[np.float32]:
        # Networks that end without an activation go a little below 0 where nobody is.
        persons: NDArray[np.float32] = np.maximum(outputs["density"][0], 0)
        return persons


class Change:
    """Change between a reference and a look: (1, labels, rows, columns), each 0..1 (sigmoid applied): how sure it is
    that something of that label is new in the look.
    """

    task = Task.CHANGE
    multiple_px = 1
    outputs = ("change",)

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        found = outputs["change"]
        if fault := _shape_fault(found, labels, height_px, width_px):
            return fault
        if (value := beyond(found, 0, 1)) is not None:
            return f"the map reaches {value:.3g}, expected 0 to 1: is its sigmoid missing?"
        return None

    def decode(self, outputs: Outputs) -> NDArray[np.float32]:
        sure: NDArray[np.float32] = outputs["change"][0]
        return sure


class ChangeMask:
    """Semantic change: logits (1, labels, rows, columns) over classes of which the first is "unchanged" and each cell
    is one; the map is the softmax of the others.
    """

    task = Task.CHANGE
    multiple_px = 1
    outputs = ("mask",)

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        if labels < 2:
            return "a change mask tells at least 2 labels apart, the first being what has not changed"
        return _shape_fault(outputs["mask"], labels, height_px, width_px)

    def decode(self, outputs: Outputs) -> NDArray[np.float32]:
        logits = outputs["mask"][0]
        weights = np.exp(logits - logits.max(axis=0, keepdims=True))
        shares: NDArray[np.float32] = weights[1:] / weights.sum(axis=0, keepdims=True)
        return shares


def _shape_fault(found: NDArray[np.float32], labels: int, height_px: int, width_px: int) -> str | None:
    expected = f"(1, {labels}, rows, columns)"
    if found.ndim != 4 or found.shape[0] != 1 or 0 in found.shape:
        return f"the output has shape {found.shape}, expected {expected}"
    if found.shape[1] != labels:
        return f"the output tells {found.shape[1]} classes apart, the zoo names {labels} labels"
    rows, columns = found.shape[2:]
    stride = height_px // rows
    if height_px % rows or width_px % columns or width_px // columns != stride or stride > MAX_STRIDE:
        return f"the output's {columns} x {rows} cells do not divide a {width_px} x {height_px} picture evenly"
    return None
