"""The layout of CenterFace, a face detector that a user may install for masking."""

import numpy as np

from detectors.zoo.outputs import Candidates, Outputs, Task, beyond, from_centres

STRIDE = 4
MAX_LOG_SIDE = 8.0


class CenterFace:
    """CenterFace: at stride 4 a heat map of face centres (sigmoid applied), the logarithm of height and width in
    strides, and the centre's offset, y first (Xu et al. 2019, arXiv:1911.03599; Star-Clouds/CenterFace). Its landmarks
    are never asked for.
    """

    task = Task.BOXES
    is_final = False
    outputs = ("537", "538", "539")
    multiple_px = 32

    def fault(self, outputs: Outputs, labels: int, height_px: int, width_px: int) -> str | None:
        rows, columns = height_px // STRIDE, width_px // STRIDE
        if labels != 1:
            return f"CenterFace tells one class, the zoo names {labels} labels"
        for name, channels in zip(self.outputs, (1, 2, 2), strict=True):
            if outputs[name].shape != (1, channels, rows, columns):
                return f"output {name} has shape {outputs[name].shape}, expected {(1, channels, rows, columns)}"
        if (score := beyond(outputs["537"], 0, 1)) is not None:
            return f"the heat map reaches {score:.3g}, scores are 0 to 1: is its sigmoid missing?"
        return None

    def decode(self, outputs: Outputs, height_px: int, width_px: int, min_score: float) -> Candidates:
        del height_px, width_px  # the heat map's size says it
        heat, sides, offset = outputs["537"][0, 0], outputs["538"][0], outputs["539"][0]
        row, column = np.nonzero(heat >= min_score)
        cells = np.stack([column, row], axis=1).astype(np.float32)
        centre = (cells + offset[::-1, row, column].T + 0.5) * STRIDE
        width_height = np.exp(np.minimum(sides[::-1, row, column].T, MAX_LOG_SIDE)) * STRIDE
        boxes = from_centres(np.concatenate([centre, width_height], axis=1))
        return boxes, heat[row, column], np.zeros(len(row), np.int32)
