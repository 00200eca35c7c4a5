"""The layout of the DETR family with sigmoid scores: RT-DETR, D-FINE, DEIM, RF-DETR."""

import numpy as np

from detectors.zoo.outputs import Candidates, Outputs, Task, beyond, from_centres


class Detr:
    """Queries: class logits (1, queries, labels) and boxes (1, queries, 4), centre, width, height as fractions of the
    input. Scores are the sigmoid of the logits, and a query is one thing: nothing is suppressed (Zhao et al. 2023,
    arXiv:2304.08069). A first DETR, with softmax over a class for "nothing", is another family.
    """

    task = Task.BOXES
    is_final = True
    multiple_px = 1
    outputs = ("logits", "pred_boxes")

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        del height_px, width_px  # fractions
        logits, boxes = outputs["logits"], outputs["pred_boxes"]
        queries = logits.shape[1] if logits.ndim == 3 else 0
        if logits.ndim != 3 or logits.shape[0] != 1:
            return f"output logits has shape {logits.shape}, expected (1, queries, {labels})"
        if boxes.shape != (1, queries, 4):
            return f"output pred_boxes has shape {boxes.shape}, expected {(1, queries, 4)}"
        if logits.shape[2] != labels:
            extra = "; softmax with a class for nothing is not read" if logits.shape[2] == labels + 1 else ""
            return f"output logits tells {logits.shape[2]} classes apart, the zoo names {labels} labels{extra}"
        if (value := beyond(boxes, -1, 2)) is not None:
            return f"boxes reach {value:.3g}, fractions of the picture are expected"
        return None

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        logits, boxes = outputs["logits"][0], outputs["pred_boxes"][0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        query, label = np.nonzero(scores >= min_score)
        sides = np.array([width_px, height_px, width_px, height_px], np.float32)
        return from_centres(boxes[query] * sides), scores[query, label].astype(np.float32), label.astype(np.int32)
